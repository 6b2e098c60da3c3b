"""Google Gemini through generativelanguage.googleapis.com, and through Vertex AI."""

from usage.providers.base import Provider
from usage.wire.interactions import GoogleWire

PROVIDER = Provider(
    key="gemini",
    name="Google Gemini",
    kind="llm",
    # Vertex AI has a host for every region, such as us-central1-aiplatform.googleapis.com.
    hosts=(
        "generativelanguage.googleapis.com",
        "aiplatform.googleapis.com",
        "*-aiplatform.googleapis.com",
    ),
    aliases=frozenset({"google", "gcp.gemini", "gcp.gen_ai", "gcp.vertex_ai", "google-genai"}),
    price_list="google",
    model_prefixes=("models/", "gemini/", "google/"),
    wire=GoogleWire(),
)
