"""What `setup.sh --check-only` installs: exactly these packages, so that `check.py` runs on any machine.

The engine, what the code that is checked imports, and what a reward needs. Left out is what only generating, training
and tracking import: vLLM, DeepSpeed, flash-attn and the trackers. The versions of `constraints/peers`, where it has
them, are the same (a test).
"""

_BOTH = """
accelerate==1.15.0 aiohappyeyeballs==2.7.1 aiohttp==3.14.5 aiosignal==1.4.0 annotated-types==0.8.0 anyio==4.16.0
attrs==26.1.0 certifi==2026.10.19.post1 charset-normalizer==3.5.3 click==8.5.1 datasets==5.2.0 dill==0.4.1
filelock==4.3.1 frozenlist==1.8.0 fsspec==2026.9.0 h11==0.16.0 hf-xet==1.8.0 httpcore==1.0.9 httpx==0.28.1
huggingface_hub==1.33.0 idna==3.20 Jinja2==3.1.6 jsonschema-specifications==2025.9.1 jsonschema==4.26.0
latex2sympy2_extended==1.11.0 MarkupSafe==3.0.4 math-verify==0.9.0 mpmath==1.3.0 msgpack==1.2.4 multidict==7.2.1
multiprocess==0.70.19 networkx==3.6.1 numpy==2.4.6 packaging==25.0 pandas==3.1.1 peft==0.21.2 pillow==13.0.0
propcache==0.5.4 protobuf==7.36.2 psutil==7.2.2 pyarrow==26.0.1 pydantic==2.14.4 pydantic_core==2.50.5
python-dateutil==4.0.0 PyYAML==6.0.4 referencing==0.37.0 regex==2026.11.19 requests==2.34.2 rpds-py==2026.9.1
safetensors==0.8.0 setuptools==80.9.0 sympy==1.14.0 tokenizers==0.22.2 torch==2.13.0 torchdata==0.11.0 tqdm==4.70.1
typing-inspection==0.4.5 typing_extensions==4.16.0 tzdata==2026.6 urllib3==2.8.0 xxhash==4.1.0 yarl==1.25.1
"""

_APART = {
    "verl": """
annotated-doc==0.0.7 antlr4-python3-runtime==4.9.3 cachetools==8.0.2 cloudpickle==3.1.2 codetiming==1.4.0
colorful==0.5.8 fastapi==0.165.0 google-api-core==2.44.0 google-auth==2.62.2 googleapis-common-protos==1.76.0
hydra-core==1.3.8 omegaconf==2.3.1 opentelemetry-api==1.45.2 orjson==3.13.0 pyvers==0.1.0 ray==2.60.0
starlette==1.10.0 tensordict==0.10.0 transformers==5.10.4 uvicorn==0.54.0 verl==0.9.1
""",
    "openrlhf": """
antlr4-python3-runtime==4.13.2 einops==0.8.2 openrlhf==0.11.2 pylatexenc==2.11 ray==2.55.0 transformers==5.15.0
""",
}


def packages(engine: str) -> list[str]:
    """Requirements `name==version`, sorted; installed without their own requirements."""
    return sorted([*_BOTH.split(), *_APART[engine].split()], key=str.lower)
