"""Convert a GGUF file to safetensors once, so that loading takes one second instead of twenty."""

from pathlib import Path

from fedbytes.process.quiet import quiet_transformers


def dequantise_gguf(gguf: Path) -> None:
    """Replace a GGUF file by `config.json`, `model.safetensors` (float32) and the tokenizer.

    transformers reads and dequantises the file, but refuses to save the resulting model; so a model
    built from the configuration takes over its state and is saved.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = gguf.parent
    with quiet_transformers():
        loaded = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, gguf_file=gguf.name, local_files_only=True
        )
        config = loaded.config
        config.dtype = torch.float32
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with torch.device("meta"):
            plain = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        plain.load_state_dict(loaded.state_dict(), assign=True)
        plain.tie_weights()
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    gguf.unlink()
