/** Packages that are not bundled: native modules, which locate their libraries relative to their own path. */
export const NATIVE_PACKAGES: readonly string[] = ['better-sqlite3', 'fuse-native', 'koffi'];
