import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inject } from "vitest";
import { mustRun } from "../programs.ts";
import { BASE_IMAGE, makeBaseImage } from "./base-image.ts";

/** What a guest is made of; files that all guests of a run share and none of them writes. */
export interface GuestParts {
  readonly kernel: string;
  /** Archive to which each guest's own files are appended. */
  readonly initramfs: string;
  /** The root: Debian with apt and curl. */
  readonly disk: string;
  /** Of QEMU: `kvm` where guests really run on it, else `tcg`. */
  readonly accelerator: string;
}

/** What the kernel needs to find its disk, its network and what QEMU tells it, in the order of loading. */
const MODULES = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "failover",
  "net_failover",
  "virtio_net",
  "qemu_fw_cfg",
  "nls_cp437",
  "nls_ascii",
  "fat",
  "vfat",
];

/** Gives the guest its devices and its root, then the script it was appended; without one it says that it ran. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec >/dev/console 2>&1 </dev/null
if [ ! -e /own/script ]; then echo it runs; poweroff -f; fi
for module in ${MODULES.join(" ")}; do insmod /modules/$module.ko; done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
# The seed may be a disk as well.
for disk in /dev/vd?; do mount -t ext4 $disk /root 2>/dev/null && break; done
for part in /dev/vd?1; do [ ! -e $part ] || mount -t vfat -o ro $part /root/media; done
mount -t tmpfs own /root/mnt
mount -t tmpfs run /root/run
cp -r /own/. /root/mnt/
for place in dev proc sys; do mount --move /$place /root/$place; done
exec switch_root /root /bin/sh /mnt/script
`;

/** Under a lock, for files of tests run beside each other: whoever comes first makes it. The kernel comes from Debian. */
const MAKE = `set -e
test -e "$FOLDER/made" && exit
cd "$FOLDER"
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \\(linux-image-.*\\)/\\1/p')
apt-get download "$name"
mkdir -p package initramfs/bin initramfs/modules initramfs/dev initramfs/proc initramfs/sys initramfs/root
dpkg-deb --fsys-tarfile "$name"_*.deb | tar -x -C package
cp package/boot/vmlinuz-* kernel
for module in $MODULES; do find package -name "$module.ko" -exec cp {} initramfs/modules/ ';'; done
rm -rf package "$name"_*.deb
cp "$(command -v busybox)" initramfs/bin/
cp init initramfs/init
chmod +x initramfs/init
(cd initramfs && find . | busybox cpio -o -H newc) >initramfs.cpio 2>/dev/null
: >console
timeout 30 qemu-system-x86_64 -machine q35,accel=kvm -cpu max -m 256 -nodefaults -no-reboot -display none \\
  -serial file:console -kernel kernel -initrd initramfs.cpio -append "console=ttyS0 quiet panic=-1" || true
if grep -q "it runs" console; then echo kvm; else echo tcg; fi >accelerator
as_root=
test "$(id -u)" -eq 0 || as_root="podman unshare"
$as_root sh -c 'set -e
root=$(podman --root "$STORAGE" --runroot "$RUN" image mount "$IMAGE")
mke2fs -q -t ext4 -d "$root" disk 1536M
podman --root "$STORAGE" --runroot "$RUN" image unmount "$IMAGE"'
touch made
`;

/** Makes the parts of guests, once for a run of the tests. */
export async function makeGuestParts(): Promise<GuestParts> {
  const storage = await makeBaseImage();
  const folder = join(inject("runFolder"), "guest");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "init"), INIT);
  const env = {
    FOLDER: folder,
    MODULES: MODULES.join(" "),
    STORAGE: storage[1] ?? "",
    RUN: storage[3] ?? "",
    IMAGE: BASE_IMAGE,
  };
  await mustRun("flock", [join(folder, "lock"), "sh", "-c", MAKE], { cwd: folder, env });
  const accelerator = (await readFile(join(folder, "accelerator"), "utf8")).trim();
  const fileOf = (name: string) => join(folder, name);
  return { kernel: fileOf("kernel"), initramfs: fileOf("initramfs.cpio"), disk: fileOf("disk"), accelerator };
}
