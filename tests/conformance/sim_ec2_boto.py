"""The simulated EC2 held against AWS's own SDK: botocore signs the requests and reads the answers.

Needs Debian's python3-botocore and the program tests/sim/ec2 in the build directory $B.
"""
import os
import subprocess
import sys
import tempfile
import time

try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import ClientError
except ImportError:
    print("SKIP sim_ec2_boto: python3-botocore is not installed")
    sys.exit(0)

PROGRAM = os.path.join(os.environ.get("B", "build"), "tests/sim/ec2")
KEY, SECRET = "AKIDEXAMPLE0SIMULATE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
IMAGE = "ami-0aaaaaaaaaaaa2204"
failures = 0


def check(name, truth, detail=""):
    global failures
    if truth:
        print(f"ok {name}")
    else:
        failures += 1
        print(f"not ok {name}: {detail}")


def refusal(call, **parameters):
    try:
        call(**parameters)
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    return None, None


def client(url, secret=SECRET, service="ec2"):
    return botocore.session.get_session().create_client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, proxies={}))


def launch(ec2, token, **more):
    return ec2.run_instances(
        ImageId=IMAGE, InstanceType="g4dn.xlarge", MinCount=1, MaxCount=1, ClientToken=token, UserData="#!/bin/sh\n",
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "muster-machine", "Value": token},
                                                                 {"Key": "odd", "Value": "<&\"é>"}]}],
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 100, "VolumeType": "gp3"}}], **more)


def exercise(ec2, url):
    got = launch(ec2, "m-0")
    one = got["Instances"][0]
    check("run_instances_is_parsed", one["InstanceId"].startswith("i-") and one["State"]["Name"] == "pending"
          and one["InstanceType"] == "g4dn.xlarge" and one["LaunchTime"].year >= 2024, got)
    check("the_request_id_is_read", len(got["ResponseMetadata"]["RequestId"]) == 36, got["ResponseMetadata"])
    check("tags_survive_xml", {"Key": "odd", "Value": "<&\"é>"} in one["Tags"], one["Tags"])
    check("the_same_token_gives_the_same_instance",
          launch(ec2, "m-0")["Instances"][0]["InstanceId"] == one["InstanceId"])
    check("the_same_token_with_other_parameters", refusal(launch, ec2=ec2, token="m-0", EbsOptimized=True)
          == ("IdempotentParameterMismatch", 400))
    spot = launch(ec2, "m-1", InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {
        "SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}})["Instances"][0]
    check("a_spot_instance_says_so", spot.get("InstanceLifecycle") == "spot", spot)
    for n in range(2, 13):
        launch(ec2, f"m-{n}")
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    found = [i for p in pages for r in p["Reservations"] for i in r["Instances"]]
    check("the_paginator_sees_each_once", len(pages) == 3 and len({i["InstanceId"] for i in found}) == 13,
          (len(pages), len(found)))
    byname = ec2.describe_instances(Filters=[{"Name": "tag:muster-machine", "Values": ["m-7"]}])["Reservations"]
    check("a_tag_filter_finds_one", len(byname) == 1 and byname[0]["Instances"][0]["ClientToken"] == "m-7", byname)
    ended = ec2.terminate_instances(InstanceIds=[i["InstanceId"] for i in found])["TerminatingInstances"]
    check("terminate_instances_is_parsed", len(ended) == 13 and
          {e["CurrentState"]["Name"] for e in ended} <= {"shutting-down", "terminated"}, ended)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": [
            "pending", "running", "shutting-down", "stopping", "stopped"]}])["Reservations"]
        if not left:
            break
    check("all_are_gone_in_the_end", not left, left)
    images = ec2.describe_images(Owners=["099720109477"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    check("describe_images_is_parsed", {i["RootDeviceName"] for i in images["Images"]} == {"/dev/sda1"}, images)
    check("describe_subnets_is_parsed", len(ec2.describe_subnets()["Subnets"]) == 3)
    check("an_unknown_instance", refusal(ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"])
          == ("InvalidInstanceID.NotFound", 400))
    check("a_wrong_secret", refusal(client(url, "wrong").describe_instances) == ("AuthFailure", 401))


def neighbours(url):
    got = client(url, service="ssm").get_parameter(
        Name="/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id")
    check("ssm_get_parameter_is_parsed", got["Parameter"]["Value"] == IMAGE, got)
    sts = client(url, service="sts")
    check("sts_get_caller_identity_is_parsed", sts.get_caller_identity()["Account"] == "123456789012")
    role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/muster", RoleSessionName="test")["Credentials"]
    temporary = botocore.session.get_session().create_client(
        "ec2", region_name="us-east-1", endpoint_url=url, aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"], aws_session_token=role["SessionToken"])
    check("temporary_credentials_of_sts_work_at_ec2", "Reservations" in temporary.describe_instances())


def main():
    if not os.access(PROGRAM, os.X_OK):
        print(f"SKIP sim_ec2_boto: {PROGRAM} is not built")
        return 0
    with tempfile.TemporaryDirectory() as where:
        ready = os.path.join(where, "url")
        with subprocess.Popen([PROGRAM, "--ready-file", ready, "--with-parent"], stdout=subprocess.DEVNULL) as sim:
            try:
                while not os.path.exists(ready) and sim.poll() is None:
                    time.sleep(0.01)
                url = open(ready, encoding="ascii").read().strip()
                exercise(client(url), url)
                neighbours(url)
            finally:
                sim.terminate()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
