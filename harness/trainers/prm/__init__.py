"""Learned process reward models: `labels` of steps from continuations, `train` on them, `measures`, their `record`."""
