/*
 * Makes a file system call of a process fail: LD_PRELOAD it, name a folder in FAILING_DISK_FOLDER and a control file in
 * FAILING_DISK_CONTROL. Counted are calls that write below the folder (log/ left out): opening for writing, writing,
 * syncing, truncating, renaming, linking, unlinking, making folders. The control file is five native 32-bit integers:
 * calls that still pass (negative: none fails), calls that fail then (0: all), errno, calls counted, calls failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  _Atomic int passing, failing, error, calls, failed;
};

#define FDS 65536
static struct control *control;
static const char *folder;
static size_t length;
static _Atomic char watched[FDS];

__attribute__((constructor)) static void begin(void) {
  folder = getenv("FAILING_DISK_FOLDER");
  const char *path = getenv("FAILING_DISK_CONTROL");
  if (!folder || !path) return;
  length = strlen(folder);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map != MAP_FAILED) control = map;
}

/* A number may have been closed out of our sight and belong to a socket by now: no disk stands behind that one. */
static int watches(int fd) {
  if (!control || fd < 0 || fd >= FDS || !atomic_load(&watched[fd])) return 0;
  struct stat is;
  return fstat(fd, &is) == 0 && (S_ISREG(is.st_mode) || S_ISDIR(is.st_mode));
}

/* Also by way of a folder that is held open. */
#define HELD "/proc/self/fd/"
static int below(const char *path) {
  if (control && path && strncmp(path, HELD, strlen(HELD)) == 0) return watches(atoi(path + strlen(HELD)));
  return control && path && strncmp(path, folder, length) == 0 && path[length] == '/' &&
         strncmp(path + length, "/log", 4) != 0;
}

static int fails(void) {
  atomic_fetch_add(&control->calls, 1);
  int before = atomic_load(&control->passing);
  if (before < 0) return 0;
  if (before > 0) {
    atomic_fetch_sub(&control->passing, 1);
    return 0;
  }
  if (atomic_load(&control->failing) > 0 && atomic_fetch_sub(&control->failing, 1) == 1) control->passing = -1;
  atomic_fetch_add(&control->failed, 1);
  errno = atomic_load(&control->error);
  return 1;
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int opened(int fd, int watch) {
  if (fd >= 0 && fd < FDS) atomic_store(&watched[fd], watch);
  return fd;
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, #name, const char *, int, ...); \
    va_list list; \
    va_start(list, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list); \
    int watch = below(path); \
    if (watch && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails()) return -1; \
    return opened(real(path, flags, mode), watch); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    REAL(int, #name, int, const char *, int, ...); \
    va_list list; \
    va_start(list, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
    va_end(list); \
    int watch = below(path); \
    if (watch && (flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails()) return -1; \
    return opened(real(at, path, flags, mode), watch); \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  REAL(int, "close", int);
  opened(fd, 0);
  return real(fd);
}

#define ON_FD(type, name, parameters, arguments, ...) \
  type name parameters { \
    REAL(type, #name, __VA_ARGS__); \
    if (watches(fd) && fails()) return -1; \
    return real arguments; \
  }
ON_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), int, const void *, size_t)
ON_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), int, const struct iovec *, int)
ON_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), int, const void *, size_t, off_t)
ON_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), int, const void *, size_t, off64_t)
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), int, const struct iovec *, int, off_t)
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), (fd, parts, count, at), int, const struct iovec *, int, off64_t)
ON_FD(int, fsync, (int fd), (fd), int)
ON_FD(int, fdatasync, (int fd), (fd), int)
ON_FD(int, syncfs, (int fd), (fd), int)
ON_FD(int, ftruncate, (int fd, off_t size), (fd, size), int, off_t)
ON_FD(int, ftruncate64, (int fd, off64_t size), (fd, size), int, off64_t)

#define ON_PATH(name, parameters, arguments, ...) \
  int name parameters { \
    REAL(int, #name, __VA_ARGS__); \
    if (below(path) && fails()) return -1; \
    return real arguments; \
  }
ON_PATH(rename, (const char *path, const char *to), (path, to), const char *, const char *)
ON_PATH(link, (const char *path, const char *to), (path, to), const char *, const char *)
ON_PATH(unlink, (const char *path), (path), const char *)
ON_PATH(rmdir, (const char *path), (path), const char *)
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
