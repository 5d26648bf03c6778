"""The subject itself: samples, prompts, replies, records, metrics, gates and their wording.

Everything in here is a function of its arguments: no pytest, torch, files, clock, environment
or global random state.
"""
