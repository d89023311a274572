"""What can run here: a verdict per capability, the machine's own limits, and the part of both that a run starts with.

`installed` reads what packages declare, from their metadata alone; `pairs` is the table of combinations known to break
although metadata allows them; `cuda` and `limits` look at devices and the machine; `capabilities` makes verdicts of it
all, `preflight` the lines that keep a run from starting. Nothing here imports what it judges, but torch for a CUDA
device.
"""
