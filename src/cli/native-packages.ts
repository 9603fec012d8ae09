/** Packages that are not bundled: native modules, which find their libraries by where they lie. */
export const NATIVE_PACKAGES: readonly string[] = ['better-sqlite3', 'fuse-native', 'koffi'];
