#include "tests/support/unit.h"

#include "providers/common/aws_disks.h"

static const struct aws_image plain; /* keeps nothing */

static int check(const char *text, struct err *e)
{
    AUTO_JSON json_t *extra = NULL;

    assert_ok(js_parse(text, strlen(text), &extra, e), *e);
    return aws_disks_check(extra, e);
}

#define LIST(entries) "{\"BlockDeviceMappings\":[" entries "]}"

static void test_aws_disks__no_disks_are_no_parameters(void **state)
{
    AUTO_BUF struct buf form = BUF_INIT(1024);
    struct err e;

    (void)state;
    assert_ok(aws_disks_add(&form, NULL, &plain, &e), e);
    assert_ok(check("{}", &e), e);
    assert_ok(check("{\"BlockDeviceMappings\":null}", &e), e);
    assert_ok(check("{\"BlockDeviceMappings\":[], \"other\": 1}", &e), e);
    assert_int_equal(form.len, 0);
}

static void test_aws_disks__every_member_is_written_as_ec2_spells_it(void **state)
{
    static const char text[] =
        LIST("{\"DeviceName\":\"/dev/sda1\",\"VolumeSize\":75,\"VolumeType\":\"gp3\",\"Iops\":4000,"
             "\"Throughput\":1000,\"VolumeInitializationRate\":200},{\"DeviceName\":\"xvdb\"}");
    AUTO_JSON json_t *extra = NULL;
    AUTO_BUF struct buf form = BUF_INIT(4096);
    struct err e;

    (void)state;
    assert_ok(js_parse(text, strlen(text), &extra, &e), e);
    assert_ok(aws_disks_add(&form, extra, &plain, &e), e);
    assert_string_equal(form.p, "&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1"
                                "&BlockDeviceMapping.1.Ebs.VolumeSize=75"
                                "&BlockDeviceMapping.1.Ebs.Iops=4000"
                                "&BlockDeviceMapping.1.Ebs.Throughput=1000"
                                "&BlockDeviceMapping.1.Ebs.VolumeInitializationRate=200"
                                "&BlockDeviceMapping.1.Ebs.VolumeType=gp3"
                                "&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true"
                                "&BlockDeviceMapping.2.DeviceName=xvdb"
                                "&BlockDeviceMapping.2.Ebs.DeleteOnTermination=true");
}

static void test_aws_disks__a_wrong_entry_is_named_with_the_remedy(void **state)
{
    static const struct {
        const char *text, *piece;
    } rows[] = {
        {"{\"BlockDeviceMappings\":{}}", "BlockDeviceMappings: expected a list"},
        {LIST("3"), "BlockDeviceMappings.0: expected a mapping"},
        {LIST("{\"VolumeSize\":75}"), "DeviceName is missing"},
        {LIST("{\"DeviceName\":\"a\"},{\"DeviceName\":7}"), "BlockDeviceMappings.1.DeviceName: expected a word"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeSize\":0}"), "BlockDeviceMappings.0.VolumeSize: expected a whole number"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeSize\":\"75GB\"}"), "VolumeSize: expected a whole number"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeSise\":75}"), "VolumeSise: unknown member; did you mean VolumeSize"},
        {LIST("{\"DeviceName\":\"a\",\"DeleteOnTermination\":false}"), "DeleteOnTermination: unknown member"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"gp9\"}"), "VolumeType gp9 is none of"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"gp2\",\"Iops\":100}"), "Iops needs VolumeType"},
        {LIST("{\"DeviceName\":\"a\",\"Iops\":100}"), "Iops needs VolumeType"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"io2\"}"), "VolumeType io2 needs Iops"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"io2\",\"Iops\":9,\"Throughput\":2}"),
         "Throughput needs VolumeType"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"gp3\",\"Iops\":4000,\"Throughput\":1001}"), "raise Iops to 4004"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"gp3\",\"Throughput\":751}"), "quarter of Iops 3000"},
        {LIST("{\"DeviceName\":\"a\",\"VolumeInitializationRate\":99}"), "100 to 300"},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_fails(check(rows[i].text, &e), ERR_INVALID, rows[i].piece, e);
    assert_ok(check(LIST("{\"DeviceName\":\"a\",\"VolumeType\":\"gp3\",\"Throughput\":750}"), &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_disks__no_disks_are_no_parameters),
        cmocka_unit_test(test_aws_disks__every_member_is_written_as_ec2_spells_it),
        cmocka_unit_test(test_aws_disks__a_wrong_entry_is_named_with_the_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
