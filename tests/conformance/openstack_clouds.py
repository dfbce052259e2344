#!/usr/bin/python3
"""What OpenStack's own SDK (python3-openstacksdk) makes of clouds.yaml, secure.yaml and OS_*, and what we make of them:
they must be the same account."""
import json
import os
import subprocess
import sys
import tempfile

NAME = 'openstack_clouds'
BUILD = os.environ.get('B', 'build')

PASSWORD = {'auth_url': 'https://k.example:5000/v3', 'username': 'ci', 'password': 'pw', 'project_name': 'gpu'}

# name, clouds.yaml, secure.yaml, environment
CASES = [
    ('the only cloud', {'one': {'auth': dict(PASSWORD, user_domain_name='U', project_domain_name='P'),
                                'region_name': 'R1'}}, None, {}),
    ('a cloud by OS_CLOUD', {'one': {'auth': dict(PASSWORD)},
                             'two': {'auth': dict(PASSWORD, username='two', project_id='p2'), 'region_name': 'R2'}},
     None, {'OS_CLOUD': 'two'}),
    ('OS_CLOUD beside credentials', {'one': {'auth': dict(PASSWORD), 'region_name': 'R1'}}, None,
     {'OS_CLOUD': 'one', 'OS_USERNAME': 'other', 'OS_PASSWORD': 'other', 'OS_AUTH_URL': 'https://other.example'}),
    ('a password of its own file', {'one': {'auth': {k: v for k, v in PASSWORD.items() if k != 'password'}}},
     {'one': {'auth': {'password': 'secret'}}}, {}),
    ('a file of secrets that lies over', {'one': {'auth': dict(PASSWORD), 'region_name': 'R1'}},
     {'one': {'auth': {'password': 'secret', 'username': 'over'}, 'region_name': 'R2'}}, {}),
    ('an application credential', {'one': {'auth_type': 'v3applicationcredential', 'auth': {
        'auth_url': 'https://k.example:5000', 'application_credential_id': 'c1',
        'application_credential_secret': 's1'}, 'region_name': 'R1'}}, None, {}),
    ('one domain for user and project', {'one': {'auth': dict(PASSWORD, domain_name='D')}}, None, {}),
    ('one domain by id', {'one': {'auth': dict(PASSWORD, domain_id='d')}}, None, {}),
    ('one domain beside auth', {'one': {'auth': dict(PASSWORD), 'domain_id': 'd'}}, None, {}),
    ('a domain of the user over that of both', {'one': {'auth': dict(PASSWORD, domain_id='d', user_domain_id='u')}},
     None, {}),
    ('a tenant', {'one': {'auth': {'auth_url': 'https://k.example', 'username': 'ci', 'password': 'pw',
                                   'tenant_name': 'gpu'}}}, None, {}),
    ('a project beside auth', {'one': {'auth': {'auth_url': 'https://k.example', 'username': 'ci', 'password': 'pw'},
                                       'project_id': 'p9'}}, None, {}),
    ('the internal interface', {'one': {'auth': dict(PASSWORD), 'interface': 'internal'}}, None, {}),
    ('the interface as it was once written', {'one': {'auth': dict(PASSWORD), 'endpoint_type': 'internalURL'}}, None, {}),
    ('a list of regions', {'one': {'auth': dict(PASSWORD), 'regions': ['R5', 'R6']}}, None, {}),
    ('a list of regions with values', {'one': {'auth': dict(PASSWORD), 'regions': [{'name': 'R7', 'values': {}}]}}, None,
     {}),
    ('an endpoint of its own', {'one': {'auth': dict(PASSWORD), 'compute_endpoint_override': 'https://n.example/v2.1'}},
     None, {}),
    ('numbers that are names', {'one': {'auth': dict(PASSWORD, username='1234', project_id='5678')}}, None, {}),
    ('the environment alone', None, None, {
        'OS_AUTH_URL': 'https://k.example/v3', 'OS_USERNAME': 'ci', 'OS_PASSWORD': 'pw', 'OS_PROJECT_NAME': 'gpu',
        'OS_USER_DOMAIN_NAME': 'Default', 'OS_PROJECT_DOMAIN_ID': 'default', 'OS_REGION_NAME': 'R1',
        'OS_INTERFACE': 'internal'}),
    ('an application credential of the environment', None, None, {
        'OS_AUTH_URL': 'https://k.example/v3', 'OS_AUTH_TYPE': 'v3applicationcredential',
        'OS_APPLICATION_CREDENTIAL_ID': 'c', 'OS_APPLICATION_CREDENTIAL_SECRET': 's'}),
    ('credentials of the environment beside a file', {'one': {'auth': dict(PASSWORD), 'region_name': 'R1'}}, None, {
        'OS_AUTH_URL': 'https://env.example/v3', 'OS_USERNAME': 'env', 'OS_PASSWORD': 'envpw', 'OS_PROJECT_ID': 'envp'}),
]


def theirs(home, env):
    """In this process, where importing the SDK is paid for once: the files are named, since it looks up HOME only then."""
    from openstack.config import loader
    for name in [n for n in os.environ if n.startswith('OS_')]:
        del os.environ[name]
    os.environ.update(env)
    try:
        region = loader.OpenStackConfig(config_files=[f'{home}/.config/openstack/clouds.yaml'],
                                        secure_files=[f'{home}/.config/openstack/secure.yaml']).get_one()
    except Exception as e:     # whatever it is, ours has to be an error too
        return {'error': str(e)}
    found = {k: str(v) for k, v in region.config['auth'].items()}
    found['region'] = region.config.get('region_name') or None
    found['interface'] = region.get_interface('compute')
    found['compute_endpoint_override'] = region.config.get('compute_endpoint_override')
    return {k: v for k, v in found.items() if v is not None}


def ours(tool, home, env):
    done = subprocess.run([tool], env=dict(env, HOME=home), capture_output=True, text=True, timeout=120, cwd='/')
    return json.loads(done.stdout) if done.returncode == 0 else {'error': done.stderr}


def normal(account):
    """The version in the address, and the interface's older spelling, make no difference."""
    account = dict(account)
    if 'auth_url' in account:
        account['auth_url'] = account['auth_url'].rstrip('/')
    account['interface'] = account.get('interface', 'public').removesuffix('URL')
    return account


def main():
    tool = os.path.abspath(f'{BUILD}/tests/conformance/openstack_clouds')
    if subprocess.run([sys.executable, '-c', 'import openstack.config'], capture_output=True).returncode != 0:
        print(f'SKIP {NAME}: python3-openstacksdk is missing')
        return 0
    if not os.path.exists(tool):
        print(f'not ok {NAME}: {tool} is missing')
        return 1
    failed = 0
    for name, clouds, secure, env in CASES:
        with tempfile.TemporaryDirectory() as home:
            os.makedirs(f'{home}/.config/openstack')
            for stem, content in (('clouds', clouds), ('secure', secure)):
                if content is not None:
                    with open(f'{home}/.config/openstack/{stem}.yaml', 'w') as f:
                        json.dump({'clouds': content}, f)     # JSON is YAML
            mine, yours = normal(ours(tool, home, env)), normal(theirs(home, env))
        if mine == yours:
            print(f'ok {NAME} {name}')
        else:
            failed = 1
            print(f'not ok {NAME} {name}: ours {mine}, theirs {yours}')
    return failed


sys.exit(main())
