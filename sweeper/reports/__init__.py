"""What a person sees: leaderboard, page, parameter effects, the live board."""
