"""A Llama of Hugging Face's layout as a GGUF file, what llama.cpp reads.

    python -m benchmarks.gguf_model my_model my_model.gguf BF16

It holds no tokenizer: the benchmark gives token ids and takes token ids. Matrices get the type
asked for (F32, BF16, Q8_0), norms stay fp32, as llama.cpp's own converter does it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, get_tensor_name_map
from gguf.quants import quantize
from safetensors.numpy import load_file


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.gguf_model")
    parser.add_argument("folder", type=Path, help="a Llama, its weights in fp32")
    parser.add_argument("file", type=Path)
    parser.add_argument("kind", choices=["F32", "BF16", "Q8_0"])
    args = parser.parse_args()
    write_gguf(args.folder, args.file, GGMLQuantizationType[args.kind])


def write_gguf(folder: Path, file: Path, kind: GGMLQuantizationType) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(file, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for part in sorted(folder.glob("*.safetensors")):
        for name, weight in load_file(part).items():
            if count := heads.get(name.split(".")[-2]):
                weight = pair_neighbours(weight, count)
            dtype = kind if weight.ndim == 2 else GGMLQuantizationType.F32
            name = names.get_name(name, try_suffixes=(".weight",))
            writer.add_tensor(name, quantize(weight, dtype), raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def pair_neighbours(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key matrix (heads · size × hidden) in the order of GGUF's Llama.

    Its rotary embedding turns rows 2i and 2i + 1 of a head together, Hugging Face's i and
    i + size / 2.
    """
    halves = weight.reshape(heads, 2, -1, weight.shape[-1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weight.shape)


if __name__ == "__main__":
    main()
