"""What a run needs before it starts: memory of a GPU by part, the time of a step, the cost of syncing weights.

Pure functions of sizes, none of which loads a model: `architecture` counts parameters, `memory` divides them over GPUs,
`steps` turns them into seconds, `sync` into bytes on a link, `largest` finds what still fits, `scaling` adds GPUs.
`runs` reads a run of `harness train` as a setup, `machine` says what memory there is here, and `remedies` what to
change in a run that needs more. GB are 1e9 bytes throughout.
"""
