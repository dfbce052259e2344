/*
 * What is to be done when the wall clock was set: times that were written down by it are moved, so that what was due in
 * five minutes is due in five minutes, and what may live for an hour lives for an hour.
 */
#include "server/store/store_upkeep.h"

#include "server/store/store_internal.h"

/* Whoever is at work now keeps his task as long as if he had just claimed it: this process holds every lease. */
static int renew_leases(struct store_tx *t, int64_t lease_until_ms, struct err *e)
{
    return tx_write(t, "UPDATE task SET ready_ms = $1 WHERE claimed = 1", VALS(DB_I(lease_until_ms)), NULL, NULL, NULL,
                    e);
}

/* Forwards, tasks are due too early, which does no harm; what was put by the new clock must not be moved. */
static int move_back(struct store_tx *t, int64_t by_ms, struct err *e)
{
    return tx_write(t, "UPDATE task SET due_ms = due_ms - $1, ready_ms = ready_ms - $1 WHERE claimed = 0",
                    VALS(DB_I(by_ms)), NULL, NULL, NULL, e) ||
                   tx_write(t, "UPDATE task SET again_ms = again_ms - $1 WHERE claimed = 1", VALS(DB_I(by_ms)), NULL,
                            NULL, NULL, e) ||
                   tx_write(t, "UPDATE idle_pool SET retry_ms = retry_ms - $1 WHERE retry_ms > $1", VALS(DB_I(by_ms)),
                            NULL, NULL, NULL, e) ||
                   tx_write(t,
                            "UPDATE breaker SET failed_ms = failed_ms - $1, open_until_ms = open_until_ms - $1,"
                            " probe_until_ms = probe_until_ms - $1",
                            VALS(DB_I(by_ms)), NULL, NULL, NULL, e) ||
                   tx_write(t, "UPDATE idle_source SET read_ms = read_ms - $1 WHERE read_ms > $1", VALS(DB_I(by_ms)),
                            NULL, NULL, NULL, e) ||
                   tx_write(t, "UPDATE idle_reach SET asked_ms = asked_ms - $1 WHERE asked_ms > $1", VALS(DB_I(by_ms)),
                            NULL, NULL, NULL, e)
               ? -1
               : 0;
}

/* 6 = GONE. Machines made by the new clock already (launched after what the old one showed last) are right. */
static int move_machines(struct store_tx *t, int64_t by_ms, int64_t seen_ms, struct err *e)
{
    return tx_write(t,
                    "UPDATE machine SET expires_ms = expires_ms + $1,"
                    " boot_deadline_ms = CASE WHEN boot_deadline_ms > 0 THEN boot_deadline_ms + $1 ELSE 0 END,"
                    " surplus_ms = CASE WHEN surplus_ms > 0 THEN surplus_ms + $1 ELSE 0 END,"
                    " launched_ms = CASE WHEN launched_ms > 0 THEN launched_ms + $1 ELSE 0 END,"
                    " doubt_ms = CASE WHEN doubt_ms > 0 THEN doubt_ms + $1 ELSE 0 END"
                    " WHERE state < 6 AND launched_ms <= $2 AND expires_ms > 0",
                    VALS(DB_I(by_ms), DB_I(seen_ms)), NULL, NULL, NULL, e);
}

/* Launches of tomorrow would fill the minute's limit until then; looks of tomorrow would keep the next one waiting. */
static int move_from_future(struct store_tx *t, int64_t by_ms, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE machine SET created_ms = created_ms - $1 WHERE created_ms > $2",
                    VALS(DB_I(by_ms), DB_I(now_ms)), NULL, NULL, NULL, e) ||
                   tx_write(t,
                            "UPDATE watch SET since_ms = since_ms - $1,"
                            " gone_ms = CASE WHEN gone_ms > 0 THEN gone_ms - $1 ELSE 0 END,"
                            " asked_ms = CASE WHEN asked_ms > 0 THEN asked_ms - $1 ELSE 0 END WHERE since_ms > $1",
                            VALS(DB_I(by_ms)), NULL, NULL, NULL, e)
               ? -1
               : 0;
}

int store_leap(struct store_tx *t, int64_t by_ms, int64_t seen_ms, int64_t lease_until_ms, struct err *e)
{
    if (renew_leases(t, lease_until_ms, e) || (by_ms < 0 && move_back(t, -by_ms, e)) ||
        (by_ms != 0 && move_machines(t, by_ms, seen_ms, e)) ||
        (by_ms < 0 && move_from_future(t, -by_ms, seen_ms + by_ms, e)))
        return -1;
    task_note_told(t, INT64_MAX);
    return 0;
}

int store_task_pull_in(struct store_tx *t, int64_t now_ms, int64_t latest_ms, struct err *e)
{
    return tx_write(t, "UPDATE task SET due_ms = $1, ready_ms = $1 WHERE claimed = 0 AND ready_ms > $2",
                    VALS(DB_I(now_ms), DB_I(latest_ms)), NULL, NULL, NULL, e);
}
