"""sweeper: which recurrent architecture serves your text?"""
