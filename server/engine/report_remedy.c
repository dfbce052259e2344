/* From a cause to what a person can do about it: the one table. */
#include "server/engine/report.h"

#include "server/base/text.h"

#include <string.h>

static const struct {
    enum job_cause cause;
    const char *remedy;
} by_cause[] = {
    {CAUSE_NO_FILE,
     "Add a `.cirun.yml` with a runner that has this label to the branch, or merge the branch that has it, and push: "
     "the file is read at the commit of the run."},
    {CAUSE_BAD_FILE,
     "Mend the lines named here and push. `muster check .cirun.yml` shows the same before a push, with what was "
     "probably meant."},
    {CAUSE_NO_RUNNER,
     "Either the label in `runs-on` of the workflow, or the `labels` of a runner in `.cirun.yml`, is to be changed, so "
     "that one runner has all labels of the job. `muster plan --labels LABEL` shows what a label would get."},
    {CAUSE_FORK,
     "Machines are not given to runs that come from a fork, since their code is not this repository's. A maintainer "
     "may "
     "push the branch to this repository; or whoever runs the server allows it (`policy.fork_jobs: allow`)."},
    {CAUSE_ACCESS, "Whoever started the run may not use this runner. Somebody who may starts it again; or whoever owns "
                   "the rules (the "
                   "organisation's `.access.yml`, or `run_only_when_triggered_by` of the runner) adds this repository, "
                   "team or user."},
    {CAUSE_POLICY,
     "Choose a cloud, region, instance type, image or price that the operator of this server allows; or ask the "
     "operator to allow it (section `policy` of the server's settings)."},
    {CAUSE_LIMIT,
     "Nothing needs to be done: the job gets its machine when its turn comes. If that takes too long, ask the operator "
     "to raise the limit (section `limits` of the server's settings), or run fewer jobs at once."},
    {CAUSE_UNSUPPORTED,
     "Choose another machine for this runner: an image of Linux, with an instance type that the cloud has."},
    {CAUSE_BOOT,
     "Look at what became of the machines, below. Usually the image does not fit (no cloud-init, no network, a GPU "
     "without its driver), or it needs longer than `limits.boot_deadline`. Try another image, then press the button."},
    {CAUSE_UNDECIDED,
     "Nothing needs to be done unless it stays so: GitHub is asked again and again. If GitHub refuses us, the operator "
     "looks at the App's installation and its permissions."},
    {CAUSE_RUNNER,
     "GitHub does not register a runner for this repository. The App needs the permission *Administration: write*, and "
     "the organisation must allow self-hosted runners in this repository; both are the owner's to set."},
    {CAUSE_UNASSIGNED,
     "GitHub alone gives jobs to runners. Look at what it says here, at the job's page (an environment, a concurrency "
     "group), at the settings of Actions and its runner groups, and at githubstatus.com; then press the button."},
    {CAUSE_OVERTIME,
     "Let the job end in time, or let it save what it has. For the next run, its runner may live longer "
     "(`muster.lifetime`, at most the operator's `limits.lifetime`), or the operator grants more (`limits.overtime`)."},
    {CAUSE_ENDED,
     "Split the job, or let it go on from where it was. Its runner may live longer (`muster.lifetime`, at most the "
     "operator's `limits.lifetime`), or the operator grants more (`limits.overtime`)."},
};

static const struct {
    const char *kind, *word, *remedy;
} by_kind[] = {
    {"capacity", "capacity",
     "The cloud has none of these machines free there now. It is tried again until GitHub ends the job. More "
     "candidates "
     "help: several `instance_type`s or `region`s, or on-demand beside spot (`preemptible: [true, false]`)."},
    {"skipped", "capacity",
     "It was refused several times a moment ago, so it is left alone until the time below, and the next candidate is "
     "taken meanwhile. Nothing needs to be done."},
    {"quota", "quota",
     "The account may have no more of these machines. Its owner asks the cloud to raise the quota named below; until "
     "then smaller types, another region or fewer jobs at once help. It is tried again meanwhile."},
    {"auth", "credentials",
     "The credentials that this server has for the cloud do not work, or may not do this. Only its operator can mend "
     "that (section `clouds` of the server's settings, and the rights of the account). It is tried again meanwhile."},
    {"invalid", "a valid request",
     "The cloud refuses the request itself, and would do so again. Mend the runner in `.cirun.yml`: an instance type, "
     "region or setting does not exist there, or they do not go together. Then push."},
    {"image", "its image",
     "The cloud does not have this image there, or may not give it to this account. Mend `machine_image` in "
     "`.cirun.yml` (images belong to a region), or let the image be shared with the account; then push, or press the "
     "button."},
    {"throttled", "a pause of the cloud",
     "The cloud asks for fewer requests. Nothing needs to be done: it is asked again after the pause."},
    {"policy", "a permitted candidate",
     "The operator of this server does not allow this candidate (section `policy` of the server's settings)."},
    {"boot", "a machine that boots",
     "The machine was made and ended before it took the job. The next candidate is tried; if it goes on so, try "
     "another "
     "image or type."},
    {"retry", "an answer of the cloud",
     "The cloud did not answer clearly. Nothing needs to be done: it is asked again."},
    {"conflict", "an answer of the cloud", "The cloud is busy with the same thing. It is asked again."},
    {"gone", "its parts in the cloud",
     "Something that the machine needs is not there any more (a network, a group, an image). Mend the runner in "
     "`.cirun.yml`, or the account's settings of this server."},
};

/* For the wording only: a refused request that speaks of an image. */
static bool is_about_image(const char *kind, const char *message)
{
    return (strcmp(kind, "invalid") == 0 || strcmp(kind, "gone") == 0) &&
           (text_icontains(message, "image") || text_icontains(message, "ami"));
}

const char *report_remedy(enum job_cause cause, const char *kind, const char *message)
{
    const char *k = kind != NULL && message != NULL && is_about_image(kind, message) ? "image" : kind;

    for (size_t i = 0; k != NULL && (cause == CAUSE_CANDIDATES || cause == CAUSE_NONE) && i < ARRAY_LEN(by_kind); i++) {
        if (strcmp(by_kind[i].kind, k) == 0)
            return by_kind[i].remedy;
    }
    for (size_t i = 0; i < ARRAY_LEN(by_cause); i++) {
        if (by_cause[i].cause == cause)
            return by_cause[i].remedy;
    }
    return "Nothing needs to be done: the job gets its machine as soon as there is one. The timeline below tells what "
           "happened so far.";
}

const char *report_kind_word(const char *kind)
{
    for (size_t i = 0; kind != NULL && i < ARRAY_LEN(by_kind); i++) {
        if (strcmp(by_kind[i].kind, kind) == 0)
            return by_kind[i].word;
    }
    return "a machine";
}

/* https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html: the letters of a type's family name
 * its quota. */
const char *report_aws_quota(const char *instance_type, bool spot)
{
    static const struct {
        const char *family, *on_demand, *spot;
    } quotas[] = {
        {"dl", "Running On-Demand DL instances", "All DL Spot Instance Requests"},
        {"f", "Running On-Demand F instances", "All F Spot Instance Requests"},
        {"g", "Running On-Demand G and VT instances", "All G and VT Spot Instance Requests"},
        {"vt", "Running On-Demand G and VT instances", "All G and VT Spot Instance Requests"},
        {"inf", "Running On-Demand Inf instances", "All Inf Spot Instance Requests"},
        {"p", "Running On-Demand P instances", "All P4, P3 and P2 (or P5) Spot Instance Requests"},
        {"trn", "Running On-Demand Trn instances", "All Trn Spot Instance Requests"},
        {"x", "Running On-Demand X instances", "All X Spot Instance Requests"},
        {"u", "Running On-Demand High Memory instances", "Running On-Demand High Memory instances"},
        {"acdhimrtz", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
         "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"},
    };
    size_t n = strcspn(instance_type, "0123456789-.");

    for (size_t i = 0; i < ARRAY_LEN(quotas); i++) {
        bool one = strlen(quotas[i].family) < 9;

        if (one ? n == strlen(quotas[i].family) && strncmp(quotas[i].family, instance_type, n) == 0
                : n > 0 && strchr(quotas[i].family, instance_type[0]) != NULL)
            return spot ? quotas[i].spot : quotas[i].on_demand;
    }
    return NULL;
}
