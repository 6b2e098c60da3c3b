"""The incoming table: where a batch waits while it becomes rows of the log, and every statement over it.

Temporary, two a session: one for batches, which each commit empties; and one for a few events at a time,
whose rows are deleted instead, since emptying by commit takes longer than recording a single event.
"""

from dataclasses import dataclass
from functools import cached_property

from usage import moves
from usage.core.rating import Quantities

TEXT_COLUMNS = (
    "source",
    "event_id",
    "provider",
    "provider_name",
    "model",
    "model_used",
    "endpoint",
    "method",
    "request_type",
    "team",
    "project",
    "department",
    "end_user",
    '"authorization"',
    "error_message",
)
COUNT_COLUMNS = (
    *(name for name in Quantities._fields if name != "seconds"),
    "response_time_ms",
    "request_size",
    "response_size",
)
LOG_COLUMNS = (
    "account_id",
    "billing_period_id",
    "price_id",
    "occurred_at",
    *COUNT_COLUMNS,
    "status_code",
    "retry_count",
    "seconds",
    "cost_input",
    "cost_output",
    "cost",
    "cost_source",
    "surcharge",
    "list_cost",
    *TEXT_COLUMNS,
)
AUTHORIZATION_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


@dataclass(frozen=True, kw_only=True)
class IncomingTable:
    """A table's name, and whether a commit empties it; the statements over it.

    The log id is drawn by the table, so that a claimed event key can name its row, and a key that names
    another id is a replay.
    """

    name: str
    emptied_by_commit: bool

    @cached_property
    def create(self) -> str:
        """Make the table, unless the session has it."""
        return f"""
            CREATE TEMPORARY TABLE IF NOT EXISTS {self.name} (
                position integer NOT NULL,
                content_hash uuid NOT NULL,
                id bigint NOT NULL DEFAULT nextval('api_usage_logs_id_seq'),
                account_id bigint NOT NULL,
                billing_period_id bigint NOT NULL,
                price_id bigint,
                occurred_at timestamptz NOT NULL,
                {", ".join(f"{name} integer" for name in COUNT_COLUMNS)},
                status_code smallint NOT NULL,
                retry_count smallint NOT NULL,
                seconds numeric,
                cost_input numeric NOT NULL,
                cost_output numeric NOT NULL,
                cost numeric NOT NULL,
                cost_source text COLLATE "C" NOT NULL,
                surcharge numeric,
                list_cost numeric,
                kind text COLLATE "C" NOT NULL,
                {", ".join(f'{name} text COLLATE "C" NOT NULL' for name in TEXT_COLUMNS)}
            ) ON COMMIT {"DELETE" if self.emptied_by_commit else "PRESERVE"} ROWS
        """

    @cached_property
    def empty(self) -> str:
        """Leave no row, and give the room back."""
        return f"TRUNCATE {self.name}"

    @cached_property
    def delete(self) -> str:
        """Leave no row, which is quick when there are few."""
        return f"DELETE FROM {self.name}"

    @cached_property
    def copy(self) -> str:
        """Take in rows in COPY's text form."""
        return f"COPY {self.name} (position, content_hash, kind, {', '.join(LOG_COLUMNS)}) FROM STDIN"

    @cached_property
    def claim_all_keys(self) -> str:
        """Claim the key of each row, or fail. In their order: batches that overlap wait instead of
        deadlocking.
        """
        return f"""
            INSERT INTO usage_event_keys
                (account_id, source, event_id, log_id, occurred_at, recorded_at, content_hash, cost)
            SELECT account_id, source, event_id, id, occurred_at, %(at)s, content_hash, cost
            FROM {self.name} ORDER BY account_id, source, event_id, position
        """

    @cached_property
    def claim_new_keys(self) -> str:
        """Claim the keys that nobody has claimed."""
        return f"{self.claim_all_keys} ON CONFLICT DO NOTHING"

    @cached_property
    def take_out_replays(self) -> str:
        """Remove the rows whose key was claimed before: position, whether with the same content, cost."""
        return f"""
            DELETE FROM {self.name} incoming USING usage_event_keys claimed
            WHERE (claimed.account_id, claimed.source, claimed.event_id)
                  = (incoming.account_id, incoming.source, incoming.event_id)
              AND claimed.log_id <> incoming.id
            RETURNING incoming.position, claimed.content_hash = incoming.content_hash, claimed.cost
        """

    @cached_property
    def write_log(self) -> str:
        """Write the rows to the log."""
        return f"""
            INSERT INTO api_usage_logs (id, recorded_at, {", ".join(LOG_COLUMNS)})
            SELECT id, %(at)s, {", ".join(LOG_COLUMNS)} FROM {self.name}
        """

    @cached_property
    def lock_accounts(self) -> str:
        """Lock the accounts, in the order of their ids: whoever looks at or changes their limits waits. And
        mark them as moved.
        """
        locked = f"""
            SELECT id FROM accounts WHERE id IN (SELECT account_id FROM {self.name})
            ORDER BY id FOR NO KEY UPDATE
        """
        return f"WITH locked AS MATERIALIZED ({locked}) {moves.MARK.format(accounts='locked')}"

    @cached_property
    def count_in_limits(self) -> str:
        """Draw the holds that the rows were authorized with and move the limits; the positions of the rows
        that went beyond their hold.
        """
        return f"""
            SELECT usage_count(array_agg(ROW(
                position, account_id,
                CASE WHEN "authorization" ~* '{AUTHORIZATION_ID}' THEN "authorization"::uuid END,
                false, LEAST(occurred_at, %(at)s), billing_period_id, provider, kind, model, request_type,
                team, project, 1, COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0), cost,
                COALESCE(searches, 0), COALESCE(images, 0), COALESCE(pages, 0), COALESCE(seconds, 0),
                COALESCE(characters, 0)
            )::usage_piece), %(at)s)
            FROM {self.name} incoming
            WHERE "authorization" <> '' OR EXISTS (
                SELECT FROM usage_limits counting WHERE counting.account_id = incoming.account_id
            )
            HAVING count(*) > 0
        """


OF_BATCHES = IncomingTable(name="incoming_usage", emptied_by_commit=True)
OF_A_FEW = IncomingTable(name="incoming_few", emptied_by_commit=False)
