/*
 * A busy hour, in minutes: the daemon's clocks run twenty times as fast, jobs keep coming, with everything that goes
 * wrong in a rough world. Memory, descriptors, threads and the store's log are looked at all along and must not grow
 * after the first third: the most in the last third against the most in the middle one.
 *
 *     make soak                      an hour of 10,000 jobs in 180 s
 *     make soak S=30 N=1500          a short one
 */
#include "tests/support/lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define FAST 20
#define SAMPLES 30
#define LOG_KIB (16 * 1024 + 9 * 1024) /* journal_size_limit, and what a burst may add before it is cut */

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s != NULL && *s != '\0' ? strtoull(s, NULL, 10) : otherwise;
}

static long most(const struct lab_sample *s, size_t from, size_t to, size_t field)
{
    long max = 0;

    for (size_t i = from; i < to; i++) {
        const long values[] = {s[i].rss_kib, s[i].descriptors, s[i].threads, s[i].log_kib};

        max = values[field] > max ? values[field] : max;
    }
    return max;
}

/* Room for chance: there may be as many workers as a moment needs, at most 64, each with its connections. What leaks
 * with every fiftieth job of a busy hour is more than that. */
static void judge_growth(struct lab *l, const struct lab_sample *s)
{
    static const char *const names[] = {"resident KiB", "descriptors", "threads", "KiB of write-ahead log"};
    const long room[] = {4096, 64, 64, LOG_KIB};

    for (size_t f = 0; f < ARRAY_LEN(names); f++) {
        long middle = most(s, SAMPLES / 3, SAMPLES * 2 / 3, f), last = most(s, SAMPLES * 2 / 3, SAMPLES, f);

        (void)printf("%s: at most %ld in the middle third, %ld in the last\n", names[f], middle, last);
        if (last > middle + middle / 10 + room[f])
            lab_finding(l, &l->count.wrong, "%s grow from %ld to %ld", names[f], middle, last);
    }
}

static void look(struct lab *l, struct lab_sample *s, int64_t began_ms)
{
    struct sim_github_stats g;

    *s = lab_sample(l);
    sim_github_stats(l->w->gh, &g);
    (void)printf("%5lld s: %6zu jobs, %4zu wait, %4zu run, %4zu machines; %6ld KiB resident, %3ld descriptors, %3ld "
                 "threads, store %6ld KiB, log %5ld KiB\n",
                 (long long)(lab_real_ms() - began_ms) * FAST / 1000, g.jobs, g.queued, g.in_progress,
                 sim_ec2_live(l->w->ec2), s->rss_kib, s->descriptors, s->threads, s->store_kib, s->log_kib);
    (void)fflush(stdout);
}

static void work(struct lab *l, int64_t ms, size_t jobs, struct lab_sample *s)
{
    int64_t began = lab_real_ms();
    int samples = 0;

    while (samples < SAMPLES) {
        int64_t at = lab_real_ms() - began;
        size_t due = (size_t)(at < ms ? at : ms) * jobs / (size_t)ms;

        if (due > l->n_jobs)
            lab_traffic(l, due - l->n_jobs);
        if (at >= ms * (samples + 1) / SAMPLES)
            look(l, &s[samples++], began);
        lab_pause(20);
    }
}

int main(void)
{
    struct lab_sample samples[SAMPLES];
    size_t jobs = (size_t)setting("SOAK_JOBS", 10000);
    int64_t seconds = (int64_t)setting("SOAK_SECONDS", 180);
    struct lab *l =
        lab_new(&(struct lab_conf){.seed = setting("SOAK_SEED", 1), .rate = FAST, .rough = true, .warm = true});
    bool ok = lab_up(l);

    if (ok) {
        work(l, seconds * 1000, jobs, samples);
        ok = lab_calm(l) && lab_judge(l) == 0 && lab_cool(l) && lab_judge(l) == 0;
        judge_growth(l, samples);
    }
    ok = ok && lab_down(l, SIGTERM) == 0 && l->count.wrong == 0;
    lab_print(l, "soak");
    (void)printf("%lld minutes of the daemon in %lld s: %s\n", (long long)seconds * FAST / 60, (long long)seconds,
                 ok ? "flat, nothing lost, nothing left over" : "NOT as it should be");
    lab_free(l);
    return ok ? 0 : 1;
}
