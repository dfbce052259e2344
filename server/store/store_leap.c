/*
 * What is to be done when the wall clock was set: times that were written down by it are moved, so that what was due in
 * five minutes is due in five minutes, and what may live for an hour lives for an hour.
 *
 * Nothing in a time tells which clock wrote it. Set back, what lies in the future was written by the old one for sure,
 * and so was what is older than the last look that found the clock right; what lies between was written by the new one.
 * Set forwards, what the old clock did not show yet was written by the new one.
 */
#include "server/store/store_upkeep.h"

#include "server/store/store_internal.h"

static int run_all(struct store_tx *t, const char *const *statements, size_t n, const struct db_val *v, size_t n_v,
                   struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (tx_write(t, statements[i], v, n_v, NULL, NULL, NULL, e))
            return -1;
    }
    return 0;
}

/* --- while the process runs --------------------------------------------------------------------------------------- */

/* Whoever is at work now keeps his task as long as if he had just claimed it: this process holds every lease. */
static int renew_leases(struct store_tx *t, int64_t lease_until_ms, struct err *e)
{
    return tx_write(t, "UPDATE task SET ready_ms = $1 WHERE claimed = 1", VALS(DB_I(lease_until_ms)), NULL, NULL, NULL,
                    e);
}

/* $1 = by how much. The old clock wrote what is not behind $2, or behind $3. 0 is a word of its own: not yet. */
#define BY_OLD(v) "(" v " <= $2 OR " v " > $3)"
#define MOVED(v) "CASE WHEN " v " + $1 > 0 THEN " v " + $1 ELSE 1 END"
#define MOVE_IF(is, v) v " = CASE WHEN " v " > 0 AND " is " THEN " MOVED(v) " ELSE " v " END"
#define MOVE(v) MOVE_IF(BY_OLD(v), v)

/* 6 = GONE. Asked for by the old clock, a machine may have come up by the new one: then its boot deadline lies behind
 * its launch, and is right. */
#define LAUNCHED_BY_OLD "(launched_ms = 0 OR " BY_OLD("launched_ms") ")"
#define BOOTS_BY_OLD "boot_deadline_ms >= launched_ms AND " LAUNCHED_BY_OLD

static const char *const either_way[] = {
    "UPDATE machine SET " MOVE("surplus_ms") ", " MOVE("doubt_ms") ", " MOVE("launched_ms") ", " MOVE_IF(
        LAUNCHED_BY_OLD, "expires_ms") ", " MOVE_IF(BOOTS_BY_OLD, "boot_deadline_ms") " WHERE state < 6",
    "UPDATE watch SET " MOVE("since_ms") ", " MOVE("gone_ms") ", " MOVE("asked_ms"),
    "UPDATE sweep_stray SET " MOVE("first_ms"),
};

/* $1 = by how much, above 0; $2 = what the clock shows: nothing behind it was written by it. Launches of tomorrow would
 * fill the minute's limit until then, looks of tomorrow keep the next one waiting, and what a job did after it was
 * tried anew tomorrow would not count. */
static const char *const from_future[] = {
    "UPDATE machine SET created_ms = created_ms - $1 WHERE created_ms > $2",
    ("UPDATE breaker SET failed_ms = failed_ms - $1, open_until_ms = open_until_ms - $1,"
     " probe_until_ms = probe_until_ms - $1 WHERE failed_ms > $2 OR open_until_ms > $2 OR probe_until_ms > $2"),
    "UPDATE speed SET refused_until_ms = refused_until_ms - $1 WHERE refused_until_ms > $2",
    "UPDATE idle_pool SET retry_ms = retry_ms - $1 WHERE retry_ms > $2",
    "UPDATE idle_source SET read_ms = read_ms - $1 WHERE read_ms > $2",
    "UPDATE idle_reach SET asked_ms = asked_ms - $1 WHERE asked_ms > $2",
    "UPDATE reach SET asked_ms = asked_ms - $1 WHERE asked_ms > $2",
    "UPDATE reach SET answered_ms = answered_ms - $1 WHERE answered_ms > $2",
    "UPDATE active SET due_ms = due_ms - $1 WHERE due_ms > $2",
    "UPDATE active SET last_ms = last_ms - $1 WHERE last_ms > $2",
    "UPDATE job_look SET due_ms = due_ms - $1 WHERE due_ms > $2",
    "UPDATE missed SET due_ms = due_ms - $1 WHERE due_ms > $2",
    "UPDATE job_report SET retried_ms = retried_ms - $1 WHERE retried_ms > $2",
    "UPDATE report SET said_ms = said_ms - $1 WHERE said_ms > $2",
};

/* Below 0 it would be due never. */
#define MOVE_BACK(v) v " = CASE WHEN " v " > $1 THEN " v " - $1 ELSE 1 END"

/* Forwards, what is due is due too early, which does no harm; what was put by the new clock must not be moved. */
static int move_back(struct store_tx *t, int64_t by_ms, int64_t now_ms, struct err *e)
{
    static const char waiting[] =
        "UPDATE task SET " MOVE_BACK("due_ms") ", " MOVE_BACK("ready_ms") " WHERE claimed = 0";
    static const char again[] = "UPDATE task SET " MOVE_BACK("again_ms") " WHERE claimed = 1 AND again_ms IS NOT NULL";

    return tx_write(t, waiting, VALS(DB_I(by_ms)), NULL, NULL, NULL, e) ||
                   tx_write(t, again, VALS(DB_I(by_ms)), NULL, NULL, NULL, e) ||
                   run_all(t, from_future, ARRAY_LEN(from_future), VALS(DB_I(by_ms), DB_I(now_ms)), e)
               ? -1
               : 0;
}

int store_leap(struct store_tx *t, const struct store_leap *l, struct err *e)
{
    int64_t old_ms = l->by_ms < 0 ? l->since_ms - 1 : l->now_ms - l->by_ms;
    int64_t future_ms = l->by_ms < 0 ? l->now_ms : INT64_MAX;

    if (renew_leases(t, l->lease_until_ms, e) || (l->by_ms < 0 && move_back(t, -l->by_ms, l->now_ms, e)) ||
        (l->by_ms != 0 &&
         run_all(t, either_way, ARRAY_LEN(either_way), VALS(DB_I(l->by_ms), DB_I(old_ms), DB_I(future_ms)), e)))
        return -1;
    task_note_told(t, INT64_MAX);
    return 0;
}

/* --- while none ran ----------------------------------------------------------------------------------------------- */

/* $1 = what the clock shows. Each row for itself: nothing was launched later than now, so whatever the clock was then,
 * it has no longer to live than one that is launched now; and no less than that, whatever is wrong with the row. */
#define NOT_AFTER(v) v " = CASE WHEN " v " > $1 THEN $1 ELSE " v " END"
#define WITH_LAUNCH(v) v " = CASE WHEN launched_ms > $1 AND " v " > 0 THEN " v " - (launched_ms - $1) ELSE " v " END"

static const char machines_of_future[] =
    "UPDATE machine SET " WITH_LAUNCH("expires_ms") ", " WITH_LAUNCH("boot_deadline_ms") ", " NOT_AFTER(
        "launched_ms") ", " NOT_AFTER("surplus_ms") ", " NOT_AFTER("doubt_ms") " WHERE state < 6 AND (launched_ms > $1 "
                                                                               "OR surplus_ms > $1 OR doubt_ms > $1)";

static const char *const not_after_now[] = {
    "UPDATE machine SET created_ms = $1 WHERE created_ms > $1",
    "UPDATE watch SET " NOT_AFTER("since_ms") ", " NOT_AFTER("gone_ms") ", " NOT_AFTER("asked_ms"),
    "UPDATE sweep_stray SET first_ms = $1 WHERE first_ms > $1",
    "UPDATE breaker SET failed_ms = $1 WHERE failed_ms > $1",
    "UPDATE idle_source SET read_ms = $1 WHERE read_ms > $1",
    "UPDATE idle_reach SET asked_ms = $1 WHERE asked_ms > $1",
    "UPDATE reach SET asked_ms = $1 WHERE asked_ms > $1",
    "UPDATE reach SET answered_ms = $1 WHERE answered_ms > $1",
    "UPDATE active SET last_ms = $1 WHERE last_ms > $1",
    "UPDATE job_report SET retried_ms = $1 WHERE retried_ms > $1",
    "UPDATE report SET said_ms = $1 WHERE said_ms > $1",
};

/* $2: nothing of ours is due later, or could as well come now. What GitHub is asked to deliver again has pauses of some
 * hours, and so many tries. */
static const char *const not_due_after[] = {
    "UPDATE task SET due_ms = $1, ready_ms = $1 WHERE claimed = 0 AND ready_ms > $2",
    "UPDATE breaker SET open_until_ms = $1 WHERE open_until_ms > $2",
    "UPDATE breaker SET probe_until_ms = $1 WHERE probe_until_ms > $2",
    "UPDATE speed SET refused_until_ms = $1 WHERE refused_until_ms > $2",
    "UPDATE idle_pool SET retry_ms = $1 WHERE retry_ms > $2",
    "UPDATE active SET due_ms = $1 WHERE due_ms > $2",
    "UPDATE job_look SET due_ms = $1 WHERE due_ms > $2",
    "UPDATE missed SET due_ms = $1 WHERE due_ms > $2 + 86400000",
};

int store_leap_at_start(struct store_tx *t, int64_t now_ms, int64_t latest_ms, int64_t *ahead_ms, struct err *e)
{
    int64_t newest_ms = 0;

    if (tx_read(t, "SELECT coalesce(max(launched_ms), 0) FROM machine WHERE state < 6", NULL, 0, row_i64, &newest_ms,
                e) ||
        tx_write(t, machines_of_future, VALS(DB_I(now_ms)), NULL, NULL, NULL, e) ||
        run_all(t, not_after_now, ARRAY_LEN(not_after_now), VALS(DB_I(now_ms)), e) ||
        run_all(t, not_due_after, ARRAY_LEN(not_due_after), VALS(DB_I(now_ms), DB_I(latest_ms)), e))
        return -1;
    *ahead_ms = newest_ms > now_ms ? newest_ms - now_ms : 0;
    return 0;
}
