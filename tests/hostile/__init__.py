"""Hostile extracts: made by a seed, loaded by the real loader, and accounted for a second time.

`extracts.py` makes landing folders that nobody should deliver, `account.py` says in plain Python what has to become of
each row, written from the rules and not from the loader, `run.py` loads a folder and compares, and `bombs.py` makes
small files that stand for very large ones.
"""
