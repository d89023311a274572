"""Verifiers as strangers might write them, for tests to name as `module:function`."""

import os
import threading
import time
from types import SimpleNamespace
from typing import Any

CONSTANT = 18


def last_word(completion: str, gold: str, domain: str) -> bool:
    return completion.split()[-1:] == [gold]


def two_arguments(completion: str, gold: str) -> float:
    return 0.75 if gold in completion else 0.25


def mute(completion: str, gold: str, domain: str) -> None:
    return None


def rich(completion: str, gold: str, domain: str) -> SimpleNamespace:
    return SimpleNamespace(correct=False, status="no_answer", answer=18, reason="nothing there")


def off_main(completion: str, gold: str, domain: str) -> bool:
    return threading.current_thread() is not threading.main_thread()


def noisy(completion: str, gold: str, domain: str) -> bool:
    print('{"value": false}', flush=True)
    return True


def troubled(completion: str, gold: str, domain: str) -> Any:
    """Does as the completion says."""
    if completion == "hang":
        time.sleep(60)
    if completion == "spin":
        while True:
            pass
    if completion == "raise":
        raise ValueError("I cannot read this")
    if completion == "exit":
        os._exit(3)
    return {"text": "18", "nan": float("nan"), "list": [True]}.get(completion, True)
