"""Who uses what in the demo: three kinds of customer, a fourth that mostly searches, one on a free plan."""

from dataclasses import dataclass
from typing import Literal

from subscriptions.core.terms import BillingCycle

Unit = Literal["searches", "pages", "images"]

# Calls in each hour of a day in UTC, relative to each other.
OFFICE_IN_EUROPE = (1, 1, 1, 1, 1, 2, 8, 20, 34, 40, 38, 30, 26, 36, 40, 36, 28, 18, 9, 6, 4, 3, 2, 1)
OFFICE_IN_AMERICA = (6, 4, 3, 2, 1, 1, 1, 1, 1, 2, 4, 8, 18, 32, 40, 42, 36, 30, 38, 42, 38, 30, 20, 10)
EVENINGS = (4, 2, 1, 1, 1, 1, 2, 4, 5, 5, 6, 6, 7, 6, 6, 7, 9, 14, 22, 28, 30, 26, 16, 8)
AROUND_THE_CLOCK = (8, 7, 6, 6, 6, 7, 8, 10, 12, 14, 15, 15, 15, 15, 15, 15, 15, 14, 14, 13, 12, 11, 10, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One way of calling a provider. Token counts are what half of the calls stay below."""

    provider: str
    endpoint: str
    model: str = ""
    request_type: str = "chat"
    input_tokens: int = 0
    output_tokens: int = 0
    cached_percent: int = 0
    unit: Unit | None = None
    seconds: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spike:
    """A day, counted back from the last one, with `factor` times the calls, most of them `call`."""

    days_ago: int
    factor: int
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An account and its habits.

    `calls_a_day` are those of a working day at the end, `started_percent` of them at the start. `mix` and
    `teams` (team, project) carry weights. `plan` is the key of the one it is on.
    """

    external_id: str
    name: str
    calls_a_day: int
    plan: str
    cycle: BillingCycle = BillingCycle.MONTHLY
    started_percent: int
    weekend_percent: int
    hours: tuple[int, ...]
    mix: tuple[tuple[Call, int], ...]
    teams: tuple[tuple[str, str, int], ...]
    department: str = ""
    spike: Spike | None = None


CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GPT_4O = Call(
    provider="openai", model="gpt-4o", endpoint=CHAT, input_tokens=1_800, output_tokens=420, seconds=3.1
)
GPT_4O_MINI = Call(
    provider="openai", model="gpt-4o-mini", endpoint=CHAT, input_tokens=900, output_tokens=260, seconds=1.4
)
GPT_4_1 = Call(
    provider="openai",
    model="gpt-4.1-2025-04-14",
    endpoint=RESPONSES,
    input_tokens=3_200,
    output_tokens=600,
    cached_percent=40,
    seconds=4.2,
)
CLAUDE = Call(
    provider="anthropic",
    model="claude-sonnet-4-5-20250929",
    endpoint=MESSAGES,
    input_tokens=4_500,
    output_tokens=850,
    cached_percent=55,
    seconds=6.5,
)
GEMINI_FLASH = Call(
    provider="gemini",
    model="gemini-2.5-flash",
    endpoint="/v1beta/models/gemini-2.5-flash:generateContent",
    input_tokens=2_400,
    output_tokens=500,
    seconds=2.2,
)
SKETCH = Call(
    provider="gemini",
    model="gemini-2.5-flash",
    endpoint="/v1beta/models/gemini-2.5-flash:generateContent",
    input_tokens=300,
    output_tokens=250,
    seconds=1.6,
)
GEMINI_PRO = Call(
    provider="gemini",
    model="gemini-2.5-pro",
    endpoint="/v1beta/models/gemini-2.5-pro:generateContent",
    input_tokens=9_000,
    output_tokens=1_400,
    seconds=11.0,
)
MISTRAL = Call(
    provider="mistral",
    model="mistral-large-latest",
    endpoint=CHAT,
    input_tokens=1_500,
    output_tokens=380,
    seconds=2.8,
)
GPT_OSS = Call(
    provider="huggingface",
    model="openai/gpt-oss-120b:groq",
    endpoint=CHAT,
    input_tokens=1_100,
    output_tokens=700,
    seconds=1.1,
)
TAVILY = Call(provider="tavily", endpoint="/search", request_type="search", unit="searches", seconds=1.3)
SERPER = Call(provider="serper", endpoint="/search", request_type="search", unit="searches", seconds=0.8)
EXA = Call(provider="exa", endpoint="/search", request_type="search", unit="searches", seconds=1.6)
FIRECRAWL = Call(
    provider="firecrawl", endpoint="/v1/scrape", request_type="scrape", unit="pages", seconds=3.4
)
STABILITY = Call(
    provider="stability",
    model="stable-image-core",
    endpoint="/v2beta/stable-image/generate/core",
    request_type="image_generation",
    unit="images",
    seconds=7.5,
)

WRITER = Customer(
    external_id="mira-okafor",
    name="Mira Okafor",
    calls_a_day=22,
    plan="basic",
    started_percent=60,
    weekend_percent=130,
    hours=EVENINGS,
    mix=((GPT_4O_MINI, 50), (CLAUDE, 18), (TAVILY, 22), (STABILITY, 10)),
    teams=(("", "newsletter", 3), ("", "novel", 2)),
)
START_UP = Customer(
    external_id="lumen-notes",
    name="Lumen Notes",
    calls_a_day=260,
    plan="enterprise",
    started_percent=25,
    weekend_percent=35,
    hours=OFFICE_IN_EUROPE,
    mix=(
        (GPT_4O, 26),
        (GPT_4O_MINI, 34),
        (GPT_4_1, 10),
        (CLAUDE, 14),
        (GEMINI_FLASH, 8),
        (TAVILY, 5),
        (STABILITY, 3),
    ),
    teams=(("product", "note-summaries", 6), ("product", "search", 3), ("research", "evaluations", 2)),
    department="engineering",
    spike=Spike(days_ago=24, factor=4, call=GPT_4O),
)
AGENCY = Customer(
    external_id="harbour-and-pine",
    name="Harbour & Pine",
    calls_a_day=150,
    plan="enterprise",
    cycle=BillingCycle.YEARLY,
    started_percent=80,
    weekend_percent=8,
    hours=OFFICE_IN_AMERICA,
    mix=((CLAUDE, 24), (GEMINI_PRO, 16), (GPT_4O, 20), (MISTRAL, 12), (STABILITY, 14), (FIRECRAWL, 14)),
    teams=(("copy", "alder-bank", 4), ("copy", "velo-city", 3), ("design", "velo-city", 2), ("", "", 1)),
    department="client work",
)
PRICE_WATCH = Customer(
    external_id="tern-analytics",
    name="Tern Analytics",
    calls_a_day=90,
    plan="pro",
    started_percent=55,
    weekend_percent=90,
    hours=AROUND_THE_CLOCK,
    mix=((SERPER, 34), (EXA, 16), (FIRECRAWL, 22), (GPT_OSS, 16), (GEMINI_FLASH, 12)),
    teams=(("crawlers", "prices", 5), ("crawlers", "news", 2)),
    department="data",
)
# For the newcomer who wants to add a card and upgrade.
SKETCHBOOK = Customer(
    external_id="nora-lindqvist",
    name="Nora Lindqvist",
    calls_a_day=2,
    plan="free",
    started_percent=50,
    weekend_percent=150,
    hours=EVENINGS,
    mix=((SKETCH, 9), (TAVILY, 1)),
    teams=(("", "sketches", 1),),
)
CUSTOMERS = (WRITER, START_UP, AGENCY, PRICE_WATCH, SKETCHBOOK)
