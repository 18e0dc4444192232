//! How many multiprocessors a device has. wgpu does not tell, but what is beneath it does where a Vulkan driver has an
//! extension for it: NVIDIA's, AMD's and Arm's have.

#![allow(unsafe_code, reason = "Vulkan is asked beneath wgpu")]

use ash::vk;
use wgpu::hal::api::Vulkan;
use wgpu::hal::vulkan::InstanceShared;
use wgpu::{Adapter, Device};

/// An adapter's; 0 if it does not tell.
pub(crate) fn of_adapter(adapter: &Adapter) -> u32 {
    // SAFETY: the adapter is asked, and nothing of it is kept or destroyed.
    let beneath = unsafe { adapter.as_hal::<Vulkan>() };
    beneath.map_or(0, |it| of(it.shared_instance(), it.raw_physical_device()))
}

/// An opened device's; 0 if it does not tell.
pub(crate) fn of_device(device: &Device) -> u32 {
    // SAFETY: the device is asked, and nothing of it is kept or destroyed.
    let beneath = unsafe { device.as_hal::<Vulkan>() };
    beneath.map_or(0, |it| of(it.shared_instance(), it.raw_physical_device()))
}

fn of(instance: &InstanceShared, device: vk::PhysicalDevice) -> u32 {
    let raw = instance.raw_instance();
    // SAFETY: the device is one of this instance's, here and below.
    let version = unsafe { raw.get_physical_device_properties(device) }.api_version;
    if version.min(instance.instance_api_version()) < vk::API_VERSION_1_1 {
        // There is no way to ask yet.
        return 0;
    }
    // SAFETY: as above.
    let extensions = unsafe { raw.enumerate_device_extension_properties(device) };
    let extensions = extensions.unwrap_or_default();
    let has = |name| extensions.iter().any(|has| has.extension_name_as_c_str() == Ok(name));
    let mut nvidia = vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV::default();
    let mut amd = vk::PhysicalDeviceShaderCorePropertiesAMD::default();
    let mut arm = vk::PhysicalDeviceShaderCoreBuiltinsPropertiesARM::default();
    let mut asked = vk::PhysicalDeviceProperties2::default();
    if has(ash::nv::shader_sm_builtins::NAME) {
        asked = asked.push_next(&mut nvidia);
    }
    if has(ash::amd::shader_core_properties::NAME) {
        asked = asked.push_next(&mut amd);
    }
    if has(ash::arm::shader_core_builtins::NAME) {
        asked = asked.push_next(&mut arm);
    }
    // SAFETY: as above; version 1.1 has this call, and what hangs on `asked` is of extensions that the device has.
    unsafe { raw.get_physical_device_properties2(device, &mut asked) };
    let units =
        amd.shader_arrays_per_engine_count.saturating_mul(amd.compute_units_per_shader_array);
    let amd = amd.shader_engine_count.saturating_mul(units);
    nvidia.shader_sm_count.max(amd).max(arm.shader_core_count)
}
