"""Nova's FakeDriver on a host that also has GPUs on its PCI bus (as libvirt would report them)."""
import os

from oslo_serialization import jsonutils
from nova.virt import fake


class GpuFakeDriver(fake.FakeDriver):
    def get_available_resource(self, nodename):
        res = super().get_available_resource(nodename)
        res['pci_passthrough_devices'] = jsonutils.dumps([
            {'address': '0000:%02x:00.0' % (0x41 + i), 'vendor_id': '10de', 'product_id': '20b5',
             'dev_id': 'pci_0000_%02x_00_0' % (0x41 + i), 'label': 'label_10de_20b5', 'status': 'available',
             'dev_type': 'type-PCI', 'parent_addr': None, 'numa_node': None} for i in range(int(os.environ["LAB_GPUS"]))])
        return res
