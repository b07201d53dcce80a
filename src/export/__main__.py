"""`python -m src.export --name NAME --seed SEED --dataset DATASET --to safetensors|onnx|hub_folder`."""

import functools
from collections.abc import Sequence

from src.export.card import card
from src.export.folder import safetensors_bytes, write_folder
from src.export.graph import onnx_bytes
from src.export.source import load_source
from src.flags import Parser, add_group, make
from src.options import ExportOptions
from src.process import finish
from src.runtime import run_command
from src.structures import InputError
from src.writing import write_bytes, write_text


def run(argv: Sequence[str] | None) -> None:
    """Parse, load and write."""
    parser = Parser(prog="python -m src.export", description=__doc__, allow_abbrev=False)
    add_group(parser, ExportOptions)
    options = make(ExportOptions, parser.parse(argv))
    source = load_source(options)
    made = options.output or options.default_output(source.config.run.backbone, source.config.run.method)
    beside = made if options.to == "hub_folder" else made.with_name(f"{made.name}.md")
    for path in (made, beside):
        if path.exists():
            raise InputError(f"{path} is there already; give another --output, or remove it")
    if options.to == "hub_folder":
        write_folder(made, source)
    else:
        about = card(source)
        write_bytes(made, onnx_bytes(source) if options.to == "onnx" else safetensors_bytes(source))
        write_text(beside, about)
    print(f"written to {made}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what a command line asks for; returns the exit code of `run_command`."""
    return run_command(functools.partial(run, argv))


if __name__ == "__main__":
    raise SystemExit(finish(main()))
