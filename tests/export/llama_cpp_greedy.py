"""Continue prompts greedily with llama.cpp: `python llama_cpp_greedy.py MODEL.gguf < prompts.json`."""

import json
import sys

from llama_cpp import Llama

model = Llama(sys.argv[1], n_ctx=1024, verbose=False)
asked = {"temperature": 0.0, "repeat_penalty": 1.0, "max_tokens": 64}
texts = [model.create_completion(p, **asked)["choices"][0]["text"] for p in json.load(sys.stdin)]
print(json.dumps(texts))
