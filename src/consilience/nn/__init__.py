"""Networks that every spoke shares: sources, encoders, losses and the one training loop.

Needs the extra ``deep``. What a fitted model is saved with (`sources`, `training`,
`weights`) imports no torch; everything else does, and is imported where it is used.
"""
