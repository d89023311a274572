"""Ablation studies: plan cells, run each in its own process, and report them from the records they leave on disk."""
