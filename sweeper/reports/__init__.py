"""What a person sees: leaderboard, page, lessons, the live board."""
