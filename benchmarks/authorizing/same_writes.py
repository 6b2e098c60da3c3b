"""What the writes of an authorization cost by themselves: nothing is looked at, nothing decided, no answer
made.
"""

from benchmarks.authorizing import asking
from benchmarks.authorizing.load import Load
from benchmarks.authorizing.stage import Stage
from benchmarks.timing import Sample

# Sent together, without waiting in between, and committed together. The account is locked here too: those who
# change six rows in no fixed order run into each other.
STATEMENTS = """
\\startpipeline
SELECT FROM accounts WHERE external_id = '@customer@' FOR NO KEY UPDATE;
UPDATE usage_limits SET held = held + CASE measure WHEN 'tokens' THEN 1200 WHEN 'cost' THEN 0.00027 ELSE 1 END
    WHERE account_id = (SELECT id FROM accounts WHERE external_id = '@customer@');
INSERT INTO usage_holds (authorization_id, position, account_id, created_at, expires_at, provider, kind,
        model, request_type, team, project, calls, tokens, cost, searches, images, pages, seconds, characters)
    SELECT '@id@', 0, id, '@now@', '@now@' + interval '10 minutes', 'openai', 'llm', 'gpt-4o-mini', '', '',
        '', 1, 1200, 0.00027, 0, 0, 0, 0, 0 FROM accounts WHERE external_id = '@customer@';
INSERT INTO authorizations (id, account_id, idempotency_key, state, created_at, expires_at, operations,
        settled_calls, settled_cost, overrun)
    SELECT '@id@', id, '', 'open', '@now@', '@now@' + interval '10 minutes',
        '[["openai","gpt-4o-mini",1,200,1200,"0.00027",0,0,0,0,0,1,"genai-prices"]]', 0, 0, false
        FROM accounts WHERE external_id = '@customer@';
\\endpipeline
"""


def measure(stage: Stage, load: Load) -> Sample:
    """The same rows locked, changed and inserted by plain statements, prepared."""
    sample = stage.in_sql(asking.drawing(STATEMENTS, stage.server), load)
    stage.confirm_holds("the same writes", load)
    return sample
