"""Credit within completions: who scores the steps of a rollout, and what that makes of its tokens' advantages.

A span scorer is a reward with `spans`: symbolic `process`, learned `prm`, `calls` of tools, or a plugin's. `vine` asks
the policy itself, by continuations, and `implicit` is a model that learns beside it. All end in `credit`.
"""
