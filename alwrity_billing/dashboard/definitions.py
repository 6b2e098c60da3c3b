"""What each number on the pages means, in the words that stand beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A term as the page prints it, and the sentence that defines it."""

    term: str
    text: str


DEFINITIONS = {
    "cost": Definition(
        term="Cost",
        text=(
            "What the calls recorded in this billing period cost, in US dollars before tax. Every call keeps "
            "the price that was valid when it happened; nothing is rounded until an invoice is written. "
            "Amounts are shown to the cent (below one, to two digits) unless “Exact amounts” is on."
        ),
    ),
    "expected": Definition(
        term="Expected at the end",
        text=(
            "What the billing period will have cost if you go on like this: what is spent, and for the days "
            "left what your own weeks let expect. The range holds four results of five. Within the first "
            "week it is the average so far, carried to the end."
        ),
    ),
    "limits": Definition(
        term="Limits",
        text=(
            "What your plan, your budget and our staff allow. Used is what is recorded; held is reserved for "
            "calls that are under way, at the most they may need, and given back as soon as they end. All "
            "limits hold side by side, so that the strictest decides."
        ),
    ),
    "calls": Definition(
        term="Calls",
        text="Calls to providers recorded in this billing period, failed ones included, each counted once.",
    ),
    "tokens": Definition(
        term="Tokens",
        text=(
            "Input and output tokens together. Cached tokens are the part of the input that the provider "
            "read from its cache, usually at a lower price; they are not counted twice."
        ),
    ),
    "errors": Definition(
        term="Error rate",
        text="The share of calls that the provider answered with a status of 400 or above.",
    ),
    "response": Definition(
        term="Average response",
        text="Mean time from request to the end of the answer, over the calls that reported it.",
    ),
    "period": Definition(
        term="Billing period",
        text=(
            "The dates one invoice covers, in UTC. A call belongs to the period in which it was recorded: "
            "one that arrives late is billed in the period then open, and keeps its own time and price."
        ),
    ),
    "earlier": Definition(
        term="Earlier calls",
        text=(
            "Calls that happened before this billing period and were recorded in it: sent late, or imported. "
            "They are part of the period’s cost and lie outside its dates."
        ),
    ),
    "days": Definition(
        term="Cost per day",
        text=(
            "Cost of the calls that happened on each UTC day, whenever they were recorded. Today is still "
            "running."
        ),
    ),
    "share": Definition(term="Share", text="The row’s part of the billing period’s cost."),
}

USAGE = {
    "range": Definition(
        term="When",
        text=(
            "Calls count at the time they happened, in UTC, whenever they were recorded. A range includes "
            "the hour or day that is still running."
        ),
    ),
    "before": Definition(
        term="Change",
        text=(
            "More or less cost than in the range of the same length just before, in percent. While a day or "
            "month is still running it is compared with a whole one."
        ),
    ),
    "no_key": Definition(
        term="No team, no project …",
        text=(
            "Calls whose sender did not say. Team, project and department are tags of an event, the member "
            "is its end user."
        ),
    ),
}

COSTS = {
    "cost": Definition(
        term="Cost",
        text=(
            "What the calls that happened in this month cost, in US dollars before tax. Every call keeps the "
            "price that was valid when it happened. Amounts are shown to the cent (below one, to two digits) "
            "unless “Exact amounts” is on."
        ),
    ),
    "calls": Definition(
        term="Calls",
        text="Calls to providers that happened in this month, failed ones included, each counted once.",
    ),
    "month": Definition(
        term="Month",
        text=(
            "A calendar month in UTC. A call counts in the month in which it happened, whenever it was "
            "recorded; an invoice covers your billing period, whose dates may differ."
        ),
    ),
    "per_call": Definition(
        term="Per call",
        text="Cost divided by calls, failed ones included; below a dollar to three digits.",
    ),
    "per_1k": Definition(
        term="Per 1K tokens",
        text=(
            "Cost per thousand input and output tokens together, cached ones included. What is paid by the "
            "search, image or minute is part of the cost, so that it is high where there are few tokens."
        ),
    ),
    "cached": Definition(
        term="Cached",
        text=(
            "The share of the input tokens that the provider read from its cache, usually at a lower price."
            " Tokens written to a cache do not count as cached."
        ),
    ),
    "part": Definition(term="Share", text="The row’s part of what the month cost."),
    "unusual": Definition(
        term="Unusual day",
        text=(
            "A day that cost at least three times, or at most a third, of what its weekday and the days "
            "around it let expect, and far more than these differ among themselves. Found in the last 90 "
            "days, today left out; it takes two weeks of history."
        ),
    ),
    "forecast": Definition(
        term="Next month",
        text=(
            "What the next calendar month will have cost, as far as your last 52 weeks tell: their level, "
            "growth and weekdays. The range is meant to hold four months of five."
        ),
    ),
    "comparison": Definition(
        term="What drives the change",
        text=(
            "A month that is over is compared with all of the month before. While one is running, its days "
            "before today are compared with as many of the month before; today is left out until it is "
            "over."
        ),
    ),
    "cause_calls": Definition(
        term="Number of calls",
        text="What more or fewer calls make: their number, each at what a call of the model cost before.",
    ),
    "cause_size": Definition(
        term="Tokens per call",
        text="What longer or shorter calls make: tokens per call, each token at what one cost before.",
    ),
    "cause_price": Definition(
        term="Price per token",
        text=(
            "The rest: what a token costs now and did before. Prices are in it, and the mix: more output or"
            " less cached input makes the average token dearer. Of models without tokens it is the price "
            "per call."
        ),
    ),
    "cause_models": Definition(
        term="New and gone",
        text="The whole cost of models that are used in only one of the two months.",
    ),
    "inefficiencies": Definition(
        term="Worth a look",
        text=(
            "What the month’s totals prove: at least 5% of 20 or more calls failed, less than 20% of input "
            "was cached where that is cheaper, more was written to a cache than read from it, or half of "
            "the output was reasoning. Amounts are at today’s standard prices and 1 USD or more."
        ),
    ),
    "growth": Definition(
        term="Growth",
        text="By how many percent a month cost more than the month before. The running one is not compared.",
    ),
    "peaks": Definition(
        term="Peak hours",
        text=(
            "Hours of the day, UTC, with at least one and a half times the calls of the average hour. The "
            "shades are calls in that hour on an average one of these weekdays; today counts as a day."
        ),
    ),
    "members": Definition(
        term="Heavy and light",
        text=(
            "Heavy is who costs at least three times what the member in the middle does, light who costs at"
            " most a third. It takes three members."
        ),
    ),
    "unallocated": Definition(
        term="Unallocated",
        text=(
            "Calls whose sender told no team, project or department. They are named rather than spread over"
            " the others, so that rows add up to the whole."
        ),
    ),
}

BILLING = {
    "term": Definition(
        term="Term",
        text=(
            "The month or year that one fee pays for, counted from the day the subscription began, in UTC. "
            "A trial is a term without a fee."
        ),
    ),
    "credit": Definition(
        term="Credit",
        text=(
            "What you have paid ahead, were given, or got back. Every invoice takes it before your card is "
            "charged; what expires first is taken first."
        ),
    ),
    "transactions": Definition(
        term="Transactions",
        text=(
            "Every invoice with its total, every attempt to pay one, and every credit note, which reduces "
            "what is due, refunds it, or turns it into credit. A payment that failed took nothing."
        ),
    ),
    "next": Definition(
        term="Next invoice",
        text=(
            "What the running billing period comes to if nothing more happens: its usage so far beyond what "
            "your plan includes, and the fee of the next term. It is written when the period ends, and then "
            "lists usage by model and price."
        ),
    ),
    "exact": Definition(
        term="Exact",
        text=(
            "The amount before it is rounded. A line is rounded to cents with the remainder of those before "
            "it, so that lines add up to the rounded sum of the exact amounts."
        ),
    ),
    "evidence": Definition(
        term="Evidence",
        text=(
            "A hash over the ids and costs of the calls that the line bills. Whoever has the log of calls "
            "can compute it again, and so prove the line."
        ),
    ),
    "today": Definition(
        term="Due today",
        text=(
            "What is charged as soon as you confirm: the rest of the new plan’s term, less what is left of "
            "the present one, shared by time. It is computed again when you confirm; were it more than you "
            "saw, you are asked once more."
        ),
    ),
}

CALLS = {
    "cost": Definition(
        term="Cost",
        text=(
            "What the call cost in US dollars, to the last digit: what it consumed at the price valid when "
            "it happened, and the surcharge of your plan where there is one."
        ),
    ),
    "recorded": Definition(
        term="Recorded",
        text=(
            "When we learned of the call. It chooses the billing period, so that a call reported late is "
            "billed in the period then open; when it happened chooses its price."
        ),
    ),
    "price": Definition(
        term="Price",
        text=(
            "The row of the price book that rated the call: prices for one unit, valid from a moment until "
            "the next row of the same model. Rows are never changed."
        ),
    ),
    "surcharge": Definition(
        term="Surcharge",
        text="What your plan adds for calls of this request type, beside what the provider charges.",
    ),
    "own_key": Definition(
        term="List cost",
        text=(
            "What the call was worth. Your own provider key paid for it, so that it is metered and not "
            "billed."
        ),
    ),
    "held": Definition(
        term="Held",
        text=(
            "The most the call could consume, set aside before it was made, so that no limit could be "
            "overrun meanwhile. What was not used returned when the call was settled."
        ),
    ),
    "overrun": Definition(
        term="Overrun",
        text=(
            "A call consumed more than was held for it, or came when nothing was held any more. It is "
            "recorded and billed all the same."
        ),
    ),
    "event": Definition(
        term="Event",
        text=(
            "The source and id under which the call was reported. Reported again under them, it is not "
            "counted again."
        ),
    ),
}

SETTINGS = {
    "role": Definition(
        term="Role",
        text=(
            "Owners change everything, and alone who is in the account. Billing admins change plan, payment, "
            "budget, API keys and alerts. Members and viewers read everything but the keys, and choose their "
            "own emails."
        ),
    ),
    "scopes": Definition(
        term="It may",
        text=(
            "Send usage: ask before calls and report them. Read: usage, limits, invoices and prices. Change: "
            "plan, budget and alerts, as a billing admin does. No key changes who is in the account."
        ),
    ),
    "last_used": Definition(
        term="Last used",
        text="When a request with the key last came in, to the minute, in UTC.",
    ),
    "used": Definition(
        term="Used",
        text=(
            "What calls have cost within the window, in US dollars, recorded ones only. A day and an hour "
            "slide: they are the last 24 hours and the last 60 minutes."
        ),
    ),
    "left": Definition(
        term="Left",
        text="What calls may still cost before one is refused; what calls under way hold is taken off.",
    ),
    "granted": Definition(
        term="Plan refuses at",
        text=(
            "What your plan, or our staff for you, lets pass. A budget can be tighter than that, and never "
            "looser."
        ),
    ),
    "tag_cost": Definition(
        term="Cost",
        text=(
            "What the calls with this tag have cost in the last 90 days, today included, in US dollars "
            "before tax, by the day they happened."
        ),
    ),
}
