"""An adapter that changes nothing is refused, whichever layers it is on."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from stages.common.cli import UserError
from stages.training.checks import check_weights


@pytest.mark.parametrize("target", ["q_proj", "embed_tokens", "lm_head"])
def test_an_adapter_is_empty_until_it_is_trained(tiny_llama, target):
    base = AutoModelForCausalLM.from_pretrained(tiny_llama)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules=[target]))
    with pytest.raises(UserError, match="the adapter is empty"):
        check_weights(model)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    model(torch.arange(20)[None], labels=torch.arange(20)[None]).loss.backward()
    torch.optim.SGD(trained, lr=1.0).step()
    check_weights(model)
