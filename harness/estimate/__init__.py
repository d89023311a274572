"""What a run needs before it starts: memory of a GPU by part, the time of a step, the cost of syncing weights.

Pure functions of sizes, none of which loads a model: `architecture` counts parameters, `memory` divides them over GPUs,
`steps` turns them into seconds, `sync` into bytes on a link, `largest` finds what still fits, `scaling` adds GPUs.
GB are 1e9 bytes throughout.
"""
