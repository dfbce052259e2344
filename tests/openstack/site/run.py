"""run.py COMMAND [ARGUMENT...]: what the console scripts of Debian's packages do, and four commands of our own."""
import importlib
import os
import sys

MAINS = {'keystone-manage': 'keystone.cmd.manage', 'placement-manage': 'placement.cmd.manage',
         'glance-manage': 'glance.cmd.manage', 'glance-api': 'glance.cmd.api', 'cinder-manage': 'cinder.cmd.manage',
         'nova-manage': 'nova.cmd.manage'}


def nova_setup():
    """nova-manage api_db sync, cell_v2 map_cell0, db sync and cell_v2 create_cell, in one process."""
    import nova.cmd  # noqa: patches the standard library first
    import nova.conf
    from oslo_log import log
    from nova import config, objects
    from nova.cmd import manage
    config.parse_args(sys.argv)
    log.setup(nova.conf.CONF, 'nova')
    objects.register_all()
    cells = manage.CellV2Commands()
    return (manage.ApiDbCommands().sync() or cells.map_cell0(os.environ['LAB_CELL0']) or manage.DbCommands().sync() or
            cells.create_cell(name='cell1'))


def nova_all():
    """The four services of Nova as greenthreads of one process, as its own functional tests run them."""
    import nova.cmd  # noqa: patches the standard library first
    import os_vif
    import shlex
    from oslo_log import log
    from oslo_privsep import priv_context
    from oslo_service import service as oslo_service
    import nova.conf
    from nova import config, objects, service, utils
    from nova.compute import rpcapi as compute_rpc
    from nova.conductor import rpcapi as conductor_rpc
    from nova.scheduler import rpcapi as scheduler_rpc
    config.parse_args(sys.argv)
    log.setup(nova.conf.CONF, 'nova')
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    launcher = oslo_service.ServiceLauncher(nova.conf.CONF, restart_method='mutate')
    for binary, topic in (('nova-conductor', conductor_rpc.RPC_TOPIC), ('nova-scheduler', scheduler_rpc.RPC_TOPIC),
                          ('nova-compute', compute_rpc.RPC_TOPIC)):
        launcher.launch_service(service.Service.create(binary=binary, topic=topic))
    launcher.launch_service(service.WSGIService('osapi_compute'))
    launcher.wait()


def neutron_tables():
    """The tables of Neutron's current models: its migrations cannot run on SQLite, where they alter constraints."""
    import neutron.cmd.eventlet  # noqa
    import sqlalchemy
    from neutron.db.migration.models import head
    head.get_metadata().create_all(sqlalchemy.create_engine(sys.argv[1]))


def neutron_api():
    """neutron-server without its RPC workers: there is no agent that would call them."""
    import neutron.cmd.eventlet  # noqa: patches the standard library first
    from neutron import server, service
    from neutron_lib.callbacks import events, registry, resources
    from sqlalchemy import orm

    def serve():
        api = service.serve_wsgi(service.NeutronApiService)
        orm.configure_mappers()     # or GET /ports, when it is the first query after a start, meets half-made models
        registry.publish(resources.PROCESS, events.AFTER_SPAWN, None)
        api.wait()
    server.boot_server(serve)


def cinder_all():
    """The three services of Cinder in one process, as Nova's."""
    import cinder.cmd.volume  # noqa: patches the standard library first
    import cinder.cmd.scheduler  # noqa: registers its options
    from oslo_log import log
    from oslo_service import service as oslo_service
    from cinder import coordination, objects, rpc, service
    from cinder.common import config
    objects.register_all()
    config.CONF(sys.argv[1:], project='cinder')
    config.set_middleware_defaults()
    log.setup(config.CONF, 'cinder')
    coordination.COORDINATOR.start()
    rpc.init(config.CONF)
    launcher = oslo_service.ServiceLauncher(config.CONF, restart_method='mutate')
    launcher.launch_service(service.Service.create(binary='cinder-scheduler'))
    launcher.launch_service(service.Service.create(binary='cinder-volume', host='lab@lab', service_name='lab'))
    launcher.launch_service(service.WSGIService('osapi_volume'))
    launcher.wait()


OURS = {'cinder-all': cinder_all, 'nova-setup': nova_setup, 'nova-all': nova_all, 'neutron-tables': neutron_tables, 'neutron-api': neutron_api}


def main():
    name = sys.argv.pop(1)
    sys.argv[0] = name
    if name.startswith('nova-'):
        importlib.import_module('nova.cmd')
        importlib.import_module('nova.virt').__path__.append(os.path.join(os.path.dirname(__file__), 'nova_virt'))
    return OURS[name]() if name in OURS else importlib.import_module(MAINS[name]).main()


sys.exit(main())
