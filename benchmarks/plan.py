"""What a run is asked to measure."""

from dataclasses import dataclass

SMALLER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, `rounds` times: the `groups` by name.

    `database` is made for it, as a copy of `template` where one is named.
    Ingest: `events` fills the large log, a tenth of it the main and the small one; `sample` is what a probe
    sends in a round; `random_ids` adds a log as large whose events have random ids. Authorize: each probe
    makes `requests`, shared by its clients, for `accounts`. Admin: `log_rows` are looked through. Close: a
    month of `closing` accounts with `closing_rows` of the log is closed. Alerts: of `alerting` accounts
    `moved` are looked at, and ten times as many. Pages: those of `page_sample` of `page_accounts`, and of two
    more, are opened, over a year with `page_rows` of the log. `any_server`: also on one that does not wait
    for its disk.
    """

    database: str
    template: str
    groups: tuple[str, ...]
    rounds: int
    events: int
    sample: int
    random_ids: bool
    requests: int
    accounts: int
    log_rows: int
    closing: int
    closing_rows: int
    alerting: int
    moved: int
    page_accounts: int
    page_rows: int
    page_sample: int
    any_server: bool

    @property
    def small(self) -> int:
        """The events of the main and the small log."""
        return max(self.events // SMALLER, 1)
