/* Preloaded: writes down what a process does to the files in a folder, in order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void record(const char *what, int fd, const char *path, long at, long size,
                   const void *data) {
    static int log = -1;
    const char *folder = getenv("RECORD_FOLDER");
    char name[4096] = "", line[4400];
    if (path) {
        snprintf(name, sizeof name, "%s", path);
    } else {
        snprintf(line, sizeof line, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(line, name, sizeof name - 1);
        if (length < 0) return;
        name[length] = 0;
    }
    if (!folder || strncmp(name, folder, strlen(folder))) return;
    if (log < 0) log = syscall(SYS_openat, AT_FDCWD, getenv("RECORD_LOG"),
                               O_WRONLY | O_CREAT | O_APPEND, 0644);
    int length = snprintf(line, sizeof line, "%s %ld %ld %s\n", what, at, size, name);
    syscall(SYS_write, log, line, length);
    if (data) syscall(SYS_write, log, data, size);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    record("write", fd, NULL, at, size, data);
    return REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    record("write", fd, NULL, at, size, data);
    return REAL(pwrite64)(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
    record("write", fd, NULL, lseek(fd, 0, SEEK_CUR), size, data);
    return REAL(write)(fd, data, size);
}
int fsync(int fd) {
    record("sync", fd, NULL, 0, 0, NULL);
    return REAL(fsync)(fd);
}
int fdatasync(int fd) {
    record("sync", fd, NULL, 0, 0, NULL);
    return REAL(fdatasync)(fd);
}
int ftruncate(int fd, off_t size) {
    record("truncate", fd, NULL, size, 0, NULL);
    return REAL(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    record("truncate", fd, NULL, size, 0, NULL);
    return REAL(ftruncate64)(fd, size);
}
int unlink(const char *path) {
    record("unlink", -1, path, 0, 0, NULL);
    return REAL(unlink)(path);
}
