/* What the diagnostics of the language are called, mean, and ask for. Sorted by id. */
#include "server/base/mem.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"

#include <string.h>

const struct cirun_rule cirun_rules[] = {
    {"access-closed", CIRUN_WARNING,
     "A policy or an entry of .access.yml has a key that is not known; it may be a restriction, so nothing is granted.",
     "Correct its spelling, or delete it."},
    {"access-duplicate-id", CIRUN_ERROR, "Two policies have one id, so that nobody can tell which is meant.",
     "Rename one of them."},
    {"access-names-nobody", CIRUN_WARNING, "What stands here can never let anybody in.",
     "Correct it, or delete what it stands in."},
    {"access-no-policy", CIRUN_ERROR, "An entry of access_control names a policy that is not there.",
     "Correct its spelling, or add the policy."},
    {"access-shape", CIRUN_ERROR, "The file has a key at its top that .access.yml does not know: nothing is granted.",
     "Correct its spelling, or delete it."},
    {"access-unknown-resource", CIRUN_WARNING,
     "An entry of access_control is for a runner that .cirun.global.yml does not have.",
     "Correct the name, or delete the entry."},
    {"access-unused-policy", CIRUN_NOTE, "A policy that nothing names.", "Name it in access_control, or delete it."},
    {"arch-mismatch", CIRUN_WARNING, "The image and the instance type are for different processors.",
     "Take an image or a type of the other architecture."},
    {"bad-value", CIRUN_ERROR,
     "A value of the right type that its key does not take: out of range, or of another form.",
     "Write it as the message says."},
    {"candidate-refused", CIRUN_ERROR, "The cloud refuses a candidate as it is written; no launch of it can succeed.",
     "Correct the value: the cloud takes nothing else here."},
    {"candidate-repeated", CIRUN_WARNING, "Two candidates of a runner are the same.",
     "Delete one, or let the lists differ."},
    {"device-repeated", CIRUN_ERROR, "Two volumes of a machine have one device name.",
     "Give each its own, such as /dev/sdb, /dev/sdc."},
    {"disk-limit", CIRUN_WARNING, "A volume's size or speed is beyond what AWS publishes for its type.",
     "Stay within the limits, or name another VolumeType."},
    {"disk-option", CIRUN_ERROR, "A volume has an option that its type does not take, or lacks one that it needs.",
     "Leave it out, add it, or name another VolumeType."},
    {"disk-throughput", CIRUN_ERROR, "A gp3 volume asks for more throughput than a quarter of its IOPS.",
     "Raise Iops, or lower Throughput."},
    {"duplicate-name", CIRUN_WARNING, "Two runners have one name; the first stands and the other is ignored.",
     "Rename one of them."},
    {"duration-range", CIRUN_ERROR, "A span of time that is too short or too long.",
     "Take one between the bounds that the message names."},
    {"empty-runners", CIRUN_WARNING, "The list of runners is empty: no job gets a machine.",
     "Write a runner, or delete the file."},
    {"empty-value", CIRUN_ERROR, "A key has an empty text or an empty list.", "Give it a value, or leave the key out."},
    {"expression-literal", CIRUN_WARNING, "An expression of workflows stands in a file that knows none.",
     "Write the value itself."},
    {"fallback-chain", CIRUN_NOTE, "Two runners have the same labels: the later is the fallback of the earlier.",
     "Nothing, if that is meant."},
    {"foreign-region", CIRUN_ERROR, "The region is a place of another cloud.",
     "Name a place of the runner's own cloud."},
    {"gpu-mismatch", CIRUN_WARNING, "The instance type does not have the GPU that is asked for.",
     "Name a type that has it, or correct gpu."},
    {"gpu-not-nvidia", CIRUN_ERROR, "The GPU is not NVIDIA's, and no other can be checked before the runner starts.",
     "Leave out gpu and name the instance_type."},
    {"gpu-too-small", CIRUN_WARNING,
     "An instance type has fewer or smaller GPUs than muster asks for; its candidates are left out.",
     "Name a larger type, or ask for less."},
    {"gpu-unknown", CIRUN_ERROR, "No instance type of this cloud is known to have the GPU that is asked for.",
     "Name the instance_type, or one of the GPUs that the message lists."},
    {"idle-ambiguous", CIRUN_ERROR, "More than one of replicas, schedule and usage_based.", "Keep one of them."},
    {"idle-covered", CIRUN_WARNING,
     "An entry of a schedule that never counts: another one holds whenever it does, with as many machines or more.",
     "Delete one, or correct its days and hours."},
    {"idle-empty", CIRUN_WARNING, "A mapping idle that asks for nothing.",
     "Write replicas, schedule or usage_based, or delete it."},
    {"idle-never", CIRUN_WARNING, "A part of idle that never keeps a machine warm.",
     "Raise its replicas, or delete it."},
    {"idle-overlap", CIRUN_NOTE, "Two entries of a schedule hold at the same time; the larger counts.",
     "Nothing, if that is meant."},
    {"idle-refused", CIRUN_WARNING,
     "Warm runners are not kept where GitHub could give them to a job that must not have them.",
     "Delete idle, or what limits the runner."},
    {"image-region", CIRUN_WARNING, "The image lies in another region than the machine.",
     "Name the image of the machine's region."},
    {"label-alike", CIRUN_WARNING, "Labels of two runners differ only in what joins their words.",
     "Write them alike, if the same is meant."},
    {"label-repeated", CIRUN_NOTE, "A label stands twice in one list.", "Delete one."},
    {"label-suffix", CIRUN_WARNING, "A label contains \"--\": what follows does not count in a match.",
     "Leave the suffix out here and write it in runs-on."},
    {"label-unreachable", CIRUN_WARNING, "A label that no runs-on can name.", "Shorten or split it."},
    {"labels-system-only", CIRUN_NOTE, "A runner has no label of its own.",
     "Add one, if jobs shall be able to ask for it."},
    {"legacy-key", CIRUN_WARNING, "A key of older files that has no effect any more.", "Delete the line."},
    {"list-lengths", CIRUN_WARNING,
     "Lists of different lengths: every combination is tried instead of reading them side by side.",
     "Make the lists equally long, or leave it if all combinations are meant."},
    {"list-of-one", CIRUN_NOTE, "A list with a single value.", "Nothing; the value alone means the same."},
    {"missing-key", CIRUN_ERROR, "A key is missing without which the rest has no meaning.", "Add it."},
    {"no-effect", CIRUN_WARNING, "A key that is accepted and does nothing here.",
     "Leave it out, or leave it for Cirun."},
    {"no-labels", CIRUN_WARNING, "A runner without labels: no job's runs-on can name it.", "Add labels."},
    {"no-name", CIRUN_WARNING, "A runner without a name: nothing can refer to it.", "Add a name."},
    {"no-runners", CIRUN_ERROR, "The file has no list of runners.",
     "Write \"runners:\" and below it a list, each entry beginning with \"- name: …\"."},
    {"no-spot", CIRUN_WARNING, "The cloud has no spot capacity: preemptible is ignored.", "Leave preemptible out."},
    {"no-timezones", CIRUN_WARNING, "This host has no time zone database, so that an entry of a schedule is left out.",
     "Install the package tzdata."},
    {"not-yaml", CIRUN_ERROR, "The file is no YAML, or larger or deeper than any real file.",
     "Mend the place that the message names."},
    {"nothing-left", CIRUN_ERROR, "Every candidate was left out, so that no machine can be made.",
     "Name a larger instance_type, or ask for less."},
    {"over-limit", CIRUN_WARNING, "A duration is above the operator's limit, and cut to it.",
     "Lower it, or ask the operator to raise the limit."},
    {"policy-refused", CIRUN_ERROR, "The operator of the server does not allow it.",
     "Take what the policy allows, or ask the operator."},
    {"runner-denied", CIRUN_NOTE, "A runner of .cirun.global.yml that no policy of .access.yml lets anybody use.",
     "Name it in access_control, if somebody shall use it."},
    {"runner-unreachable", CIRUN_WARNING, "No job can get this runner by its labels.", "Add a label of its own."},
    {"secret-in-file", CIRUN_WARNING, "Something in the file looks like a secret.",
     "Replace it where it is valid, and keep the new one among the secrets of GitHub Actions."},
    {"shadowed-runner", CIRUN_WARNING, "Every job that asks for this runner gets an earlier one first.",
     "Put the more specific runner first, or give this one a label of its own."},
    {"too-many-candidates", CIRUN_WARNING, "The lists give more candidates than are tried.", "Shorten the lists."},
    {"unknown-key", CIRUN_WARNING, "A key that is not known here is ignored.", "Correct its spelling, or delete it."},
    {"unknown-region", CIRUN_WARNING, "The region is in no list of the cloud that is known here.",
     "Correct its spelling, or leave it when it is new."},
    {"unknown-restriction", CIRUN_ERROR,
     "A key that is not known and may be meant to restrict who gets a runner; such a key is never ignored.",
     "Write it as workflow or run_only_when_triggered_by, or use .access.yml."},
    {"unknown-timezone", CIRUN_ERROR, "A schedule names a time zone that the IANA database does not have.",
     "Write a name such as Europe/Berlin; case counts."},
    {"unknown-value", CIRUN_ERROR, "A value that is none of those that its key takes.",
     "Take one of those that the message lists."},
    {"unreadable-file", CIRUN_ERROR, "A file cannot be read.", "Name a file that is there and readable."},
    {"wrong-type", CIRUN_ERROR, "A known key has a value of another type.", "Write the value as the message says."},
    {"zone-mismatch", CIRUN_WARNING, "Something that the machine needs lies in another zone.",
     "Put both into one zone."},
};
const size_t cirun_rules_n = ARRAY_LEN(cirun_rules);

const struct cirun_rule *cirun_rule_find(const char *id)
{
    for (size_t i = 0; i < cirun_rules_n; i++) {
        if (strcmp(cirun_rules[i].id, id) == 0)
            return &cirun_rules[i];
    }
    return NULL;
}

bool cirun_rule_is_beyond_schema(const char *rule)
{
    static const char *const rules[] = {"not-yaml",         "gpu-unknown",    "access-duplicate-id",
                                        "access-no-policy", "gpu-not-nvidia", "nothing-left",
                                        "unknown-timezone", "duration-range", "unknown-restriction"};

    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (strcmp(rules[i], rule) == 0)
            return true;
    }
    return false;
}
