"""Hugging Face's router: a model is named with the provider that serves it, `openai/gpt-oss-120b:groq`."""

from usage.providers.base import Provider
from usage.wire.openai_wire import OpenAIWire

PROVIDER = Provider(
    key="huggingface",
    name="Hugging Face",
    kind="llm",
    hosts=("router.huggingface.co",),
    aliases=frozenset({"hugging_face", "hf"}),
    # One price list per serving provider, named huggingface_<serving provider>.
    price_list="huggingface_",
    model_prefixes=("huggingface/",),
    # Not every serving provider knows the newer name of the cap.
    wire=OpenAIWire(price_list="huggingface_", cap_name="max_tokens", serving_in_path=True),
)
