"""A Cinder back end whose volumes hold nothing: they are made, attached and deleted at once."""
from cinder.volume import driver


class LabVolumeDriver(driver.VolumeDriver):
    def check_for_setup_error(self):
        pass

    def _update_volume_stats(self):
        self._stats = {'volume_backend_name': 'lab', 'vendor_name': 'lab', 'driver_version': '1', 'storage_protocol': 'lab',
                       'total_capacity_gb': 'infinite', 'free_capacity_gb': 'infinite', 'reserved_percentage': 0}

    def create_volume(self, volume):
        return {}

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return {}, True

    def delete_volume(self, volume):
        pass

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector):
        return {'driver_volume_type': 'lab', 'data': {}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass
