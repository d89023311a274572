"""Trainers: TRL's loops as clients of the reward registry."""
