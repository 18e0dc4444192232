// NVRTC without CUDA: it compiles for this machine's processor, with the compiler that built it. As a file whose name
// ends with a version (libnvrtc.so.12.8) it is of that version.
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {
std::string temporary() {
    const char* const folder = getenv("TMPDIR");
    return std::string(folder ? folder : P_tmpdir) + "/st-emulated-XXXXXX";
}
struct Program {
    std::string source, name, image, log;
    std::vector<std::pair<std::string, std::string>> headers;
};
bool write_file(const std::string& path, const std::string& text) {
    FILE* const file = fopen(path.c_str(), "wb");
    if (!file) return false;
    const bool whole = fwrite(text.data(), 1, text.size(), file) == text.size();
    return fclose(file) == 0 && whole;
}
std::string read_file(const std::string& path) {
    std::string text;
    if (FILE* const file = fopen(path.c_str(), "rb")) {
        char piece[4096];
        for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;) text.append(piece, n);
        fclose(file);
    }
    return text;
}
}  // namespace

extern "C" {
int nvrtcVersion(int* major, int* minor) {
    *major = 13, *minor = 0;
    Dl_info own;
    if (dladdr(reinterpret_cast<void*>(nvrtcVersion), &own)) {
        const char* const end = strstr(own.dli_fname, ".so.");
        if (end) sscanf(end, ".so.%d.%d", major, minor);
    }
    return 0;
}
int nvrtcGetNumSupportedArchs(int* count) { return *count = 1, 0; }
// Compute capability 9.0 came with CUDA 11.8.
int nvrtcGetSupportedArchs(int* known) {
    int major, minor;
    nvrtcVersion(&major, &minor);
    return *known = major * 10 + minor >= 118 ? 90 : 86, 0;
}
int nvrtcCreateProgram(Program** program, const char* source, const char* name, int headers, const char* const* texts,
                       const char* const* names) {
    *program = new Program{source, name, "", "", {}};
    for (int i = 0; i < headers; i++) (*program)->headers.push_back({names[i], texts[i]});
    return 0;
}
int nvrtcDestroyProgram(Program** program) { return delete *program, *program = nullptr, 0; }
int nvrtcCompileProgram(Program* p, int count, const char* const* options) {
    int known;
    nvrtcGetSupportedArchs(&known);
    const std::string arch = std::to_string(known);
    for (int i = 0; i < count; i++) {
        const std::string option = options[i];
        if (option.find("-arch=") == 0 && option != "-arch=sm_" + arch && option != "-arch=compute_" + arch) {
            return p->log = "an architecture that it does not know", 5;
        }
    }
    std::string folder = temporary();
    if (!mkdtemp(folder.data())) return 5;
    const std::string at = folder + "/";
    bool written = write_file(at + "kernel.cu", p->source);
    for (const auto& header : p->headers) written &= write_file(at + header.first, header.second);
    // Compiling takes longer than running: with -O1 two thirds of the tests took a third more time.
    std::string command = "g++ -Og -std=c++17 -w -shared -fPIC -x c++ -DST_EMULATE -I" EMULATOR " ";
    for (int i = 0; i < count; i++) {
        if (strncmp(options[i], "-D", 2) == 0) command += std::string(options[i]) + " ";
    }
    command += "-I" + at + " " + at + "kernel.cu -o " + at + "kernel.so 2>" + at + "log";
    const int status = written ? system(command.c_str()) : 1;
    p->image = read_file(at + "kernel.so");
    p->log = read_file(at + "log");
    for (const auto& header : p->headers) unlink((at + header.first).c_str());
    for (const char* file : {"kernel.cu", "kernel.so", "log"}) unlink((at + file).c_str());
    rmdir(folder.c_str());
    return status == 0 ? 0 : 6;
}
int nvrtcGetProgramLogSize(Program* p, size_t* bytes) { return *bytes = p->log.size() + 1, 0; }
int nvrtcGetProgramLog(Program* p, char* log) { return memcpy(log, p->log.c_str(), p->log.size() + 1), 0; }
int nvrtcGetCUBINSize(Program* p, size_t* bytes) { return *bytes = p->image.size(), 0; }
int nvrtcGetCUBIN(Program* p, char* image) { return memcpy(image, p->image.data(), p->image.size()), 0; }
int nvrtcGetPTXSize(Program* p, size_t* bytes) { return nvrtcGetCUBINSize(p, bytes); }
int nvrtcGetPTX(Program* p, char* image) { return nvrtcGetCUBIN(p, image); }
}
