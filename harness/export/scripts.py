"""The scripts of an export: `run.sh`, `setup.sh` and `reward.py`, as texts."""

from harness.export.pins import PINS, VERIFIER, Pins
from harness.export.source import PACKAGE

MODULES = {"verl": "verl.trainer.main_ppo", "openrlhf": "openrlhf.cli.train_ppo_ray"}
SETTINGS = {"verl": "overrides.txt", "openrlhf": "flags.txt"}

_HERE = """set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VENV:-$here/.venv}
"""

_READ = {
    "verl": """    settings+=("${line//'{folder}'/"$here"}")
""",
    "openrlhf": """    read -ra words <<<"$line"
    settings+=("${words[@]//'{folder}'/"$here"}")
""",
}

_RUN = """#!/usr/bin/env bash
# Trains, after check.py has proven what can be proven before. The same command goes on from the last checkpoint.
# Arguments are added to the settings of %(file)s, over what stands there.
%(here)s
if [ ! -x "$venv/bin/python" ]; then
    echo "error: there is no environment at $venv: run 'bash setup.sh', or say where one is by VENV=FOLDER" >&2
    exit 2
fi
"$venv/bin/python" "$here/check.py" --train -- "$@"

settings=()
while IFS= read -r line; do
    case $line in '' | '#'*) continue ;; esac
%(read)sdone <"$here/%(file)s"

cd "$here"
exec "$venv/bin/python" -m %(module)s "${settings[@]}" "$@"
"""

_SETUP = """#!/usr/bin/env bash
# Makes the environment of run.sh, in .venv or where VENV says. With --check-only, what check.py needs on any machine:
# no GPU, no vLLM. PYTHON says which Python makes it.
%(here)s
python=${PYTHON:-python3}
case ${1:-} in
'' | --check-only) ;;
*)
    echo "usage: bash setup.sh [--check-only]" >&2
    exit 2
    ;;
esac
if ! "$python" -c 'import sys; sys.exit(not %(range)s)'; then
    echo "error: $python is not %(wanted)s: say which one is by PYTHON=..." >&2
    exit 2
fi
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip install)

if [ "${1:-}" = --check-only ]; then
    "${pip[@]}" --no-deps --requirement "$here/requirements-check.txt"
    exit
fi
%(install)s"""

_REWARD = '''"""The reward of the run for %(name)s: the registry's, from its copy in `%(package)s/`, and plugins."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SPEC = %(spec)r
PLUGINS = %(plugins)r

sys.path.insert(0, str(FOLDER / %(package)r))

import rewards  # noqa: E402
from rewards.adapters import %(name)s, single  # noqa: E402

if FOLDER not in Path(rewards.__file__).resolve().parents:
    raise ImportError(f"another package is called rewards: {rewards.__file__}; take it out of this environment")
for file, sha256 in PLUGINS.items():
    rewards.plugins.load(FOLDER / file, sha256)
# A reward that cannot be used here fails now, not at the first completion.
single.load(SPEC)

%(call)s'''

_CALLS = {
    "verl": '''
def compute_score(data_source, solution_str, ground_truth, extra_info=None, **more):
    """What verl calls for every completion."""
    return verl.compute_score(data_source, solution_str, ground_truth, extra_info, **{**more, "spec": SPEC})
''',
    "openrlhf": "reward_func = openrlhf.reward(SPEC)\n",
}


def run(engine: str) -> str:
    parts = {"file": SETTINGS[engine], "module": MODULES[engine], "here": _HERE, "read": _READ[engine]}
    return _RUN % parts


def setup(engine: str) -> str:
    pins = PINS[engine]
    (major, minor), end = pins.python
    return _SETUP % {
        "here": _HERE,
        "range": f"({major}, {minor}) <= sys.version_info[:2]" + (f" < {end}" if end else ""),
        "wanted": python_range(pins),
        "install": _install(pins),
    }


def python_range(pins: Pins) -> str:
    """The Pythons that an engine runs on, in words."""
    (major, minor), end = pins.python
    return f"Python {major}.{minor} or newer" + (f" and older than {end[0]}.{end[1]}" if end else "")


def _install(pins: Pins) -> str:
    """The engine, between what it is built against and what is built against it."""
    builders = "packaging ninja psutil setuptools wheel"
    before = f'"${{pip[@]}}" {" ".join(pins.first)} {builders}\n'
    engine = f"'{pins.requirement}' '{VERIFIER}'"
    isolated = "--no-build-isolation " if pins.first else ""
    after = "".join(f'"${{pip[@]}}" --no-build-isolation {one}\n' for one in pins.last)
    return f'{before}"${{pip[@]}}" {isolated}{engine}\n{after}'.replace(']}"  ', ']}" ')


def reward(engine: str, spec: str, plugins: dict[str, str]) -> str:
    parts = {"name": engine, "package": PACKAGE, "spec": spec, "plugins": plugins, "call": _CALLS[engine]}
    return _REWARD % parts
