"""`harness export`: one run's config as a folder that a distributed engine trains from, with the same rewards.

    pins        which versions, and why
    mapping     what a translation is; what neither engine can do
    verl        to verl's overrides; verl_objective, those of the objective
    openrlhf    to OpenRLHF's flags
    data        questions in the engine's format, and the tokenizer that renders them
    expected    what the registry says of a few completions, to hold the engine to
    source      the `rewards` package and the plugins, for machines without this project
    scripts     run.sh, setup.sh and reward.py
    readme      README.md
    folder      all of it, and manifest.json
    kit         files that go along as they are: check.py

Nothing here imports torch or an engine: those are proven in the engine's own environment, by the folder's `check.py`.
"""
