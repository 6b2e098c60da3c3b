"""The functions that look at and change limits and holds: one call, one transaction, no Python in between.

Every function that writes expects, or takes, the lock on the account's row. `usage_limits_at` is the one place
that knows how windows move on; `usage_authorize` the one that grants; `usage_move_limits` the one that moves
what was granted or reported.
"""

from django.db import migrations

TABLES = """
-- Counters are rewritten with every call: room on the page lets PostgreSQL do that without touching an index.
ALTER TABLE usage_limits SET (fillfactor = 50);
ALTER TABLE authorizations SET (fillfactor = 80);
-- Holds come and go with every call.
ALTER TABLE usage_holds SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
"""

COVERS = """
-- Whether a limit of this scope counts calls like the one described.
CREATE FUNCTION usage_covers(
    scope text, scope_value text,
    provider text, kind text, model text, request_type text, team text, project text
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE scope
        WHEN 'everything' THEN true
        WHEN 'provider' THEN scope_value = provider
        WHEN 'kind' THEN scope_value = kind
        WHEN 'model' THEN scope_value = provider || '/' || model
        WHEN 'request_type' THEN scope_value = request_type
        WHEN 'team' THEN scope_value = team
        WHEN 'project' THEN scope_value = project
        ELSE false
    END
$$;

-- The amount of what a limit counts.
CREATE FUNCTION usage_amount(
    measure text, calls numeric, tokens numeric, cost numeric,
    searches numeric, images numeric, pages numeric, seconds numeric, characters numeric
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE measure
        WHEN 'calls' THEN calls
        WHEN 'tokens' THEN tokens
        WHEN 'cost' THEN cost
        WHEN 'searches' THEN searches
        WHEN 'images' THEN images
        WHEN 'pages' THEN pages
        WHEN 'seconds' THEN seconds
        WHEN 'characters' THEN characters
    END
$$;

-- How long a sliding window is; NULL for the others.
CREATE FUNCTION usage_window_length(window_name text)
RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE window_name
        WHEN 'second' THEN interval '1 second'
        WHEN 'minute' THEN interval '1 minute'
        WHEN 'hour' THEN interval '1 hour'
        WHEN 'day' THEN interval '24 hours'
    END
$$;
"""

LIMITS_AT = """
-- When the window that p_at lies in began; NULL where nothing ever begins anew.
CREATE FUNCTION usage_window_start(window_name text, p_at timestamptz, period_start timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE window_name
        WHEN 'period' THEN period_start
        WHEN 'second' THEN date_bin('1 second', p_at, timestamptz '1970-01-01 00:00:00+00')
        WHEN 'minute' THEN date_bin('1 minute', p_at, timestamptz '1970-01-01 00:00:00+00')
        WHEN 'hour' THEN date_bin('1 hour', p_at, timestamptz '1970-01-01 00:00:00+00')
        WHEN 'day' THEN date_bin('24 hours', p_at, timestamptz '1970-01-01 00:00:00+00')
    END
$$;

-- The three counters after their window, known to begin at was, has moved on to begin at now_begins.
-- What a sliding window still holds open counts on as that of the window before; a period's stays held.
CREATE FUNCTION usage_used_now(was timestamptz, now_begins timestamptz, used numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN was < now_begins THEN 0 ELSE used END
$$;
CREATE FUNCTION usage_held_now(was timestamptz, now_begins timestamptz, window_name text, held numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN was < now_begins AND window_name <> 'period' THEN 0 ELSE held END
$$;
CREATE FUNCTION usage_previous_now(
    was timestamptz, now_begins timestamptz, window_name text, used numeric, held numeric, previous numeric
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN was IS NULL OR now_begins IS NULL OR was >= now_begins THEN previous
        WHEN was = now_begins - usage_window_length(window_name) THEN used + held
        ELSE 0
    END
$$;

-- What a sliding window still counts of the one before: less the further this one has got.
CREATE FUNCTION usage_still_counted(previous numeric, window_name text, began timestamptz, p_at timestamptz)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- Multiplied before it is divided: what is exact stays exact, to the microsecond.
    SELECT CASE WHEN previous = 0 OR usage_window_length(window_name) IS NULL THEN 0 ELSE
        previous * LEAST(GREATEST(EXTRACT(EPOCH FROM began + usage_window_length(window_name) - p_at), 0),
                         EXTRACT(EPOCH FROM usage_window_length(window_name)))
        / EXTRACT(EPOCH FROM usage_window_length(window_name))
    END
$$;

-- The account's limits as they stand at p_at: a window that has moved on has moved its counters on.
-- period_id is the open billing period, where the limit counts it; window_end is NULL where nothing ends.
CREATE FUNCTION usage_limits_at(p_account bigint, p_at timestamptz)
RETURNS TABLE (
    id bigint, account_id bigint, source text, name text, measure text, scope text, scope_value text,
    window_name text, mode text, amount numeric, used numeric, held numeric, previous numeric,
    window_start timestamptz, window_end timestamptz, window_length interval, period_id bigint
) LANGUAGE sql STABLE AS $$
    SELECT limits.id, limits.account_id, limits.source, limits.name, limits.measure, limits.scope,
           limits.scope_value, limits."window", limits.mode, limits.amount,
           usage_used_now(limits.window_start, span.start, limits.used),
           usage_held_now(limits.window_start, span.start, limits."window", limits.held),
           usage_previous_now(
               limits.window_start, span.start, limits."window", limits.used, limits.held, limits.previous
           ),
           GREATEST(limits.window_start, span.start),
           CASE WHEN limits."window" = 'period' THEN period.period_end
                ELSE GREATEST(limits.window_start, span.start) + usage_window_length(limits."window") END,
           usage_window_length(limits."window"),
           CASE WHEN limits."window" = 'period' AND limits.window_start <= period.period_start
                THEN period.id END
    FROM usage_limits limits
    LEFT JOIN billing_periods period
         ON period.account_id = p_account AND period.period_start <= p_at AND period.period_end > p_at
    CROSS JOIN LATERAL (
        -- Without an open period the last one's usage is past, and the next will begin at its end or later.
        SELECT usage_window_start(limits."window", p_at, COALESCE(period.period_start, (
            SELECT max(past.period_end) FROM billing_periods past
            WHERE past.account_id = p_account AND past.period_end <= p_at
        ))) AS start
    ) span
    WHERE limits.account_id = p_account
$$;
"""

MOVE = """
-- Something that moves counters: usage to add, or (held) a reservation to give back. counted_at chooses the
-- sliding window, billing_period_id the period.
CREATE TYPE usage_piece AS (
    position integer, account_id bigint, authorization_id uuid, held boolean,
    counted_at timestamptz, billing_period_id bigint,
    provider text, kind text, model text, request_type text, team text, project text,
    calls numeric, tokens numeric, cost numeric, searches numeric, images numeric, pages numeric,
    seconds numeric, characters numeric
);

-- Add the usage and take away the reservations of p_pieces. The accounts are locked by the caller.
CREATE FUNCTION usage_move_limits(p_pieces usage_piece[], p_at timestamptz)
RETURNS void LANGUAGE plpgsql
-- Planning this statement anew for each length of the array takes six times as long as running it.
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    UPDATE usage_limits limits
    SET used = moved.used, held = moved.held, previous = moved.previous, window_start = moved.window_start
    FROM (
        SELECT now.id, now.window_start,
               now.used + COALESCE(sum(amount.of_it) FILTER (
                   WHERE NOT piece.held AND (
                       piece.counted_at >= now.window_start AND now.window_length IS NOT NULL
                       OR piece.billing_period_id = now.period_id
                   )
               ), 0) AS used,
               now.held - COALESCE(sum(amount.of_it) FILTER (
                   WHERE piece.held AND now.window_name <> 'concurrent'
                   AND (now.window_length IS NULL OR piece.counted_at >= now.window_start)
               ), 0)
               -- A slot is free when nothing of its authorization is held in this scope any more.
               - count(DISTINCT piece.authorization_id) FILTER (
                   WHERE piece.held AND now.window_name = 'concurrent' AND NOT EXISTS (
                       SELECT FROM usage_holds hold
                       WHERE hold.authorization_id = piece.authorization_id AND usage_covers(
                           now.scope, now.scope_value, hold.provider, hold.kind, hold.model,
                           hold.request_type, hold.team, hold.project
                       )
                   )
               ) AS held,
               now.previous + COALESCE(sum(CASE WHEN piece.held THEN -amount.of_it ELSE amount.of_it END)
                   FILTER (
                       WHERE piece.counted_at < now.window_start
                       AND piece.counted_at >= now.window_start - now.window_length
                   ), 0) AS previous
        FROM unnest(p_pieces) piece
        CROSS JOIN LATERAL usage_limits_at(piece.account_id, p_at) now
        CROSS JOIN LATERAL (
            SELECT usage_amount(now.measure, piece.calls, piece.tokens, piece.cost, piece.searches,
                                piece.images, piece.pages, piece.seconds, piece.characters) AS of_it
        ) amount
        WHERE now.window_name <> 'request' AND usage_covers(
            now.scope, now.scope_value, piece.provider, piece.kind, piece.model, piece.request_type,
            piece.team, piece.project
        )
        GROUP BY now.id, now.window_start, now.used, now.held, now.previous
    ) moved
    WHERE limits.id = moved.id;
END
$$;
"""

CLOSE = """
-- Give back the open holds of one authorization, or (p_authorization NULL) those past their deadline; returns
-- how many there were. The account is locked by the caller.
CREATE FUNCTION usage_close_holds(p_account bigint, p_authorization uuid, p_state text, p_at timestamptz)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_pieces usage_piece[];
BEGIN
    WITH gone AS (
        DELETE FROM usage_holds
        WHERE account_id = p_account
          AND (p_authorization IS NULL AND expires_at <= p_at OR authorization_id = p_authorization)
        RETURNING *
    )
    SELECT array_agg(ROW(
        position, account_id, authorization_id, true, created_at, NULL, provider, kind, model, request_type,
        team, project, calls, tokens, cost, searches, images, pages, seconds, characters
    )::usage_piece) INTO v_pieces FROM gone;
    IF v_pieces IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE authorizations
    SET state = CASE WHEN p_state = 'released' AND settled_calls > 0 THEN 'settled' ELSE p_state END,
        closed_at = p_at
    WHERE id IN (SELECT piece.authorization_id FROM unnest(v_pieces) piece) AND state = 'open';
    PERFORM usage_move_limits(v_pieces, p_at);
    RETURN cardinality(v_pieces);
END
$$;

-- The same, lock included, for those who hold nothing yet.
CREATE FUNCTION usage_expire_holds(p_account bigint, p_at timestamptz)
RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM accounts WHERE id = p_account FOR NO KEY UPDATE;
    RETURN usage_close_holds(p_account, NULL, 'expired', p_at);
END
$$;
"""

SETTLE = """
-- Count recorded usage: draw the holds it was authorized with, then move the limits by both. Returns the
-- positions of the pieces that went beyond what was left of their hold. The accounts are locked by the caller.
CREATE FUNCTION usage_count(p_pieces usage_piece[], p_at timestamptz)
RETURNS SETOF integer LANGUAGE plpgsql AS $$
DECLARE
    v_piece usage_piece;
    v_hold usage_holds;
    v_drawn usage_piece[] := '{}';
    v_last boolean;
    v_over boolean;
BEGIN
    FOR v_piece IN
        SELECT * FROM unnest(p_pieces) piece WHERE piece.authorization_id IS NOT NULL ORDER BY piece.position
    LOOP
        v_last := false;
        -- The operation this call was meant by: of its provider; better the more it is alike.
        SELECT * INTO v_hold FROM usage_holds hold
        WHERE hold.authorization_id = v_piece.authorization_id AND hold.account_id = v_piece.account_id
          AND hold.provider = v_piece.provider
        ORDER BY hold.model = v_piece.model DESC, hold.request_type = v_piece.request_type DESC,
                 hold.team = v_piece.team DESC, hold.project = v_piece.project DESC,
                 -- Of those alike the least that is enough, so that a large one stays for the call it is for.
                 hold.tokens >= v_piece.tokens AND hold.cost >= v_piece.cost
                     AND hold.searches >= v_piece.searches AND hold.images >= v_piece.images
                     AND hold.pages >= v_piece.pages AND hold.seconds >= v_piece.seconds
                     AND hold.characters >= v_piece.characters DESC,
                 hold.cost, hold.tokens, hold.position
        LIMIT 1;
        v_over := NOT FOUND OR v_piece.tokens > v_hold.tokens OR v_piece.cost > v_hold.cost
            OR v_piece.searches > v_hold.searches OR v_piece.images > v_hold.images
            OR v_piece.pages > v_hold.pages OR v_piece.seconds > v_hold.seconds
            OR v_piece.characters > v_hold.characters;
        IF v_hold.authorization_id IS NOT NULL THEN
            v_last := v_hold.calls = 1;
            -- The last call of an operation returns the surplus; one before it draws what it consumed.
            IF NOT v_last THEN
                v_hold.calls := 1;
                v_hold.tokens := LEAST(v_hold.tokens, v_piece.tokens);
                v_hold.cost := LEAST(v_hold.cost, v_piece.cost);
                v_hold.searches := LEAST(v_hold.searches, v_piece.searches);
                v_hold.images := LEAST(v_hold.images, v_piece.images);
                v_hold.pages := LEAST(v_hold.pages, v_piece.pages);
                v_hold.seconds := LEAST(v_hold.seconds, v_piece.seconds);
                v_hold.characters := LEAST(v_hold.characters, v_piece.characters);
                UPDATE usage_holds SET
                    calls = calls - 1, tokens = tokens - v_hold.tokens, cost = cost - v_hold.cost,
                    searches = searches - v_hold.searches, images = images - v_hold.images,
                    pages = pages - v_hold.pages, seconds = seconds - v_hold.seconds,
                    characters = characters - v_hold.characters
                WHERE authorization_id = v_hold.authorization_id AND position = v_hold.position;
            ELSE
                DELETE FROM usage_holds
                WHERE authorization_id = v_hold.authorization_id AND position = v_hold.position;
            END IF;
            v_drawn := v_drawn || ROW(
                v_piece.position, v_hold.account_id, v_hold.authorization_id, true, v_hold.created_at, NULL,
                v_hold.provider, v_hold.kind, v_hold.model, v_hold.request_type, v_hold.team, v_hold.project,
                v_hold.calls, v_hold.tokens, v_hold.cost, v_hold.searches, v_hold.images, v_hold.pages,
                v_hold.seconds, v_hold.characters
            )::usage_piece;
        END IF;
        UPDATE authorizations authorized SET
            settled_calls = settled_calls + 1,
            settled_cost = settled_cost + v_piece.cost,
            overrun = overrun OR v_over,
            state = CASE WHEN ending.now THEN 'settled' ELSE state END,
            closed_at = CASE WHEN ending.now THEN p_at ELSE closed_at END
        FROM (
            SELECT v_last AND NOT EXISTS (
                SELECT FROM usage_holds hold WHERE hold.authorization_id = v_piece.authorization_id
            ) AS now
        ) ending
        WHERE authorized.id = v_piece.authorization_id AND authorized.account_id = v_piece.account_id;
        IF v_over THEN
            RETURN NEXT v_piece.position;
        END IF;
    END LOOP;
    PERFORM usage_move_limits(p_pieces || v_drawn, p_at);
END
$$;
"""

AUTHORIZE = """
-- May these operations go ahead? Holds the worst case of one after the other in every limit it touches; when
-- one has no room, all of it is given back. outcome: granted, refused, paused, replayed, conflict, closed; or what the
-- caller mends and asks again: account_unknown, prices_changed, period_missing. limits is a JSON array, for each
-- operation an array of the limits it touched, with the operation held in them.
CREATE FUNCTION usage_authorize(
    p_customer text, p_prices bigint, p_id uuid, p_key text, p_hash uuid, p_operations jsonb,
    p_default_cap integer, p_lifetime interval, p_at timestamptz,
    OUT outcome text, OUT authorization_id uuid, OUT message text, OUT limits json, OUT operations json,
    OUT created_at timestamptz, OUT expires_at timestamptz, OUT period_end timestamptz
) LANGUAGE plpgsql
-- Holds are few until they are many: a plan made for few must not read all of them later.
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
DECLARE
    v_account bigint;
    v_cap integer;
    v_prices bigint;
    v_period timestamptz;
    v_windows timestamptz;
    v_expired boolean;
    v_known authorizations;
    v_wish record;
    v_full boolean;
    v_refused boolean := false;
    v_touched json;
    v_all_touched json[];
    v_priced json[];
    v_slots bigint[] := '{}';
BEGIN
    -- All that an account has used and holds is looked at by one transaction at a time.
    SELECT account.id, account.paused_reason, account.default_output_cap INTO v_account, message, v_cap
    FROM accounts account WHERE account.external_id = p_customer FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        outcome := 'account_unknown';
        RETURN;
    END IF;
    -- A statement of its own: it sees what was committed while this one waited for the lock.
    SELECT period.period_start, period.period_end,
           (SELECT COALESCE(max(price.id), 0) FROM api_provider_pricing price),
           (SELECT max(known.window_start) FROM usage_limits known WHERE known.account_id = v_account
            AND usage_window_length(known."window") IS NOT NULL),
           EXISTS (SELECT FROM usage_holds hold
                   WHERE hold.account_id = v_account AND hold.expires_at <= p_at)
    INTO v_period, period_end, v_prices, v_windows, v_expired
    FROM (SELECT) one LEFT JOIN billing_periods period
         ON period.account_id = v_account AND period.period_start <= p_at AND period.period_end > p_at;
    -- Machines' clocks differ a little: an account's windows never move back.
    created_at := GREATEST(p_at, v_windows);
    expires_at := p_at + p_lifetime;
    authorization_id := p_id;
    IF p_key <> '' THEN
        SELECT * INTO v_known FROM authorizations known
        WHERE known.account_id = v_account AND known.idempotency_key = p_key;
        IF FOUND THEN
            outcome := CASE
                WHEN v_known.request_hash <> p_hash THEN 'conflict'
                -- Nothing is held any more, so that it must not be taken for a permission.
                WHEN v_known.state IN ('expired', 'released')
                     OR v_known.state = 'open' AND v_known.expires_at <= p_at THEN 'closed'
                ELSE 'replayed'
            END;
            authorization_id := v_known.id;
            limits := v_known.decided;
            operations := v_known.operations;
            created_at := v_known.created_at;
            expires_at := v_known.expires_at;
            SELECT period.period_end INTO period_end FROM billing_periods period
            WHERE period.account_id = v_account
              AND period.period_start <= v_known.created_at AND period.period_end > v_known.created_at;
            RETURN;
        END IF;
    END IF;
    IF v_prices <> p_prices THEN
        outcome := 'prices_changed';
        RETURN;
    ELSIF v_period IS NULL THEN
        outcome := 'period_missing';
        RETURN;
    END IF;
    IF v_expired THEN
        PERFORM usage_close_holds(v_account, NULL, 'expired', p_at);
    END IF;

    IF message <> '' THEN
        outcome := 'paused';
        RETURN;
    END IF;
    FOR v_wish IN
        SELECT wish.*, wish.input_tokens + cap.output_cap AS tokens,
               wish.cost + wish.output_price * cap.output_cap AS worst_cost, cap.output_cap AS cap
        FROM jsonb_to_recordset(p_operations) AS wish(
            position smallint, provider text COLLATE "C", kind text COLLATE "C", model text COLLATE "C",
            request_type text COLLATE "C", team text COLLATE "C", project text COLLATE "C", calls integer,
            input_tokens bigint, output_cap bigint, known_cap bigint, output_price numeric, cost numeric,
            searches bigint, images bigint, pages bigint, seconds numeric, characters bigint,
            price_id bigint, price_source text, said jsonb
        )
        CROSS JOIN LATERAL (
            SELECT COALESCE(wish.output_cap, LEAST(wish.known_cap, COALESCE(
                v_cap, CASE WHEN wish.known_cap IS NULL THEN p_default_cap END
            ))) AS output_cap
        ) cap
    LOOP
        v_priced := v_priced || json_build_array(
            v_wish.provider, v_wish.model, v_wish.calls, v_wish.cap, v_wish.tokens, v_wish.worst_cost,
            v_wish.searches, v_wish.images, v_wish.pages, v_wish.seconds, v_wish.characters,
            v_wish.price_id, v_wish.price_source, COALESCE(v_wish.said, '{}')
        );
        INSERT INTO usage_holds (authorization_id, position, account_id, created_at, expires_at, provider,
            kind, model, request_type, team, project, calls, tokens, cost, searches, images, pages, seconds,
            characters)
        VALUES (p_id, v_wish.position, v_account, usage_authorize.created_at, usage_authorize.expires_at,
            v_wish.provider, v_wish.kind, v_wish.model, v_wish.request_type, v_wish.team, v_wish.project,
            v_wish.calls, v_wish.calls * v_wish.tokens, v_wish.calls * v_wish.worst_cost,
            v_wish.calls * v_wish.searches, v_wish.calls * v_wish.images, v_wish.calls * v_wish.pages,
            v_wish.calls * v_wish.seconds, v_wish.calls * v_wish.characters);
        WITH touched AS (
            UPDATE usage_limits target SET
                used = usage_used_now(
                    target.window_start, usage_window_start(target."window", created_at, v_period),
                    target.used
                ),
                held = usage_held_now(
                    target.window_start, usage_window_start(target."window", created_at, v_period),
                    target."window", target.held
                ) + CASE target."window"
                    WHEN 'request' THEN 0
                    WHEN 'concurrent' THEN CASE WHEN target.id = ANY (v_slots) THEN 0 ELSE 1 END
                    ELSE v_wish.calls * usage_amount(
                        target.measure, 1, v_wish.tokens, v_wish.worst_cost, v_wish.searches,
                        v_wish.images, v_wish.pages, v_wish.seconds, v_wish.characters
                    )
                END,
                previous = usage_previous_now(
                    target.window_start, usage_window_start(target."window", created_at, v_period),
                    target."window", target.used, target.held, target.previous
                ),
                window_start = GREATEST(
                    target.window_start, usage_window_start(target."window", created_at, v_period)
                )
            WHERE target.account_id = v_account AND usage_covers(
                target.scope, target.scope_value, v_wish.provider, v_wish.kind, v_wish.model,
                v_wish.request_type, v_wish.team, v_wish.project
            )
            RETURNING target.*, usage_still_counted(
                target.previous, target."window", target.window_start, created_at
            ) AS before, CASE target."window"
                WHEN 'concurrent' THEN CASE WHEN target.id = ANY (v_slots) THEN 0 ELSE 1 END
                ELSE CASE target."window" WHEN 'request' THEN 1 ELSE v_wish.calls END * usage_amount(
                    target.measure, 1, v_wish.tokens, v_wish.worst_cost, v_wish.searches, v_wish.images,
                    v_wish.pages, v_wish.seconds, v_wish.characters
                )
            END AS requested
        )
        SELECT COALESCE(json_agg(json_build_array(
                   judged.id, judged.name, judged.measure, judged.scope, judged.scope_value,
                   judged."window", judged.mode, judged.source, judged.amount, judged.used,
                   judged.previous, judged.before, judged.held, judged.requested, judged.window_start,
                   judged.refused
               )), '[]'),
               bool_or(judged.refused),
               v_slots || array_agg(judged.id) FILTER (WHERE judged."window" = 'concurrent')
        INTO v_touched, v_full, v_slots
        FROM (
            SELECT touched.*, touched.mode = 'block' AND touched.requested > 0
                   AND touched.amount IS NOT NULL AND touched.amount < CASE touched."window"
                       WHEN 'request' THEN touched.requested
                       ELSE touched.used + touched.before + touched.held
                   END AS refused
            FROM touched
        ) judged;
        v_all_touched := v_all_touched || v_touched;
        v_refused := v_refused OR COALESCE(v_full, false);
    END LOOP;
    limits := array_to_json(v_all_touched);
    operations := array_to_json(v_priced);
    IF v_refused THEN
        outcome := 'refused';
        PERFORM usage_close_holds(v_account, p_id, 'released', created_at);
        RETURN;
    END IF;
    outcome := 'granted';
    INSERT INTO authorizations (id, account_id, idempotency_key, request_hash, state, created_at, expires_at,
        operations, decided, settled_calls, settled_cost, overrun)
    VALUES (p_id, v_account, p_key, p_hash, 'open', usage_authorize.created_at, usage_authorize.expires_at,
        operations, CASE WHEN p_key <> '' THEN limits END, 0, 0, false);
END
$$;
"""

UNDO = """
DROP FUNCTION usage_authorize(text, bigint, uuid, text, uuid, jsonb, integer, interval, timestamptz);
DROP FUNCTION usage_count(usage_piece[], timestamptz);
DROP FUNCTION usage_expire_holds(bigint, timestamptz);
DROP FUNCTION usage_close_holds(bigint, uuid, text, timestamptz);
DROP FUNCTION usage_move_limits(usage_piece[], timestamptz);
DROP TYPE usage_piece;
DROP FUNCTION usage_limits_at(bigint, timestamptz);
DROP FUNCTION usage_still_counted(numeric, text, timestamptz, timestamptz);
DROP FUNCTION usage_previous_now(timestamptz, timestamptz, text, numeric, numeric, numeric);
DROP FUNCTION usage_held_now(timestamptz, timestamptz, text, numeric);
DROP FUNCTION usage_used_now(timestamptz, timestamptz, numeric);
DROP FUNCTION usage_window_start(text, timestamptz, timestamptz);
DROP FUNCTION usage_window_length(text);
DROP FUNCTION usage_amount(text, numeric, numeric, numeric, numeric, numeric, numeric, numeric, numeric);
DROP FUNCTION usage_covers(text, text, text, text, text, text, text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0003_limits")]

    operations = [
        migrations.RunSQL(TABLES, migrations.RunSQL.noop),
        migrations.RunSQL(COVERS + LIMITS_AT + MOVE + CLOSE + SETTLE + AUTHORIZE, UNDO),
    ]
