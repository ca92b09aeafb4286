// A clock that is wrong: what reads the time of day, or the times of files, is told it shifted by the seconds
// in /etc/zoo/clock (eight bytes, little-endian). Loaded into every process of a device by its ld.so.preload.
// Timers and the monotonic clock are left alone, as on a device whose clock was simply never set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void begin(void) {
  int file = open("/etc/zoo/clock", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) shift = page;
}

static int64_t shifted(void) { return shift ? *shift : 0; }

int clock_gettime(clockid_t id, struct timespec *out) {
  int result = syscall(SYS_clock_gettime, id, out);
  if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) out->tv_sec += shifted();
  return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static int (*real)(sem_t *, const struct timespec *);
  if (!real) real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
  struct timespec then = *until;
  then.tv_sec -= shifted();
  return real(semaphore, &then);
}

static int told(int result, struct stat *of) {
  if (!result) {
    of->st_atim.tv_sec += shifted();
    of->st_mtim.tv_sec += shifted();
    of->st_ctim.tv_sec += shifted();
  }
  return result;
}

int fstatat(int folder, const char *restrict path, struct stat *restrict out, int flags) {
  return told(syscall(SYS_newfstatat, folder, path, out, flags), out);
}

int stat(const char *restrict path, struct stat *restrict out) { return fstatat(AT_FDCWD, path, out, 0); }

int lstat(const char *restrict path, struct stat *restrict out) {
  return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

int fstat(int file, struct stat *out) { return told(syscall(SYS_fstat, file, out), out); }

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
  struct timespec real[2];
  for (int i = 0; times && i < 2; i++) {
    real[i] = times[i];
    if (times[i].tv_nsec != UTIME_NOW && times[i].tv_nsec != UTIME_OMIT) real[i].tv_sec -= shifted();
  }
  return syscall(SYS_utimensat, folder, path, times ? real : NULL, flags);
}
