"""Element headers (PS3.5 section 7): the C functions of elements.h for the other cores."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "elements.h" nogil:
    const int EXPLICIT "PS_EXPLICIT"
    const int BIG "PS_BIG"
    const uint32_t UNDEFINED "PS_UNDEFINED"
    const uint32_t ITEM "PS_ITEM"
    const uint32_t ITEM_END "PS_ITEM_END"
    const uint32_t SEQUENCE_END "PS_SEQUENCE_END"
    const int OK "PS_OK"
    const int SHORT "PS_SHORT"
    const int BAD_VR "PS_BAD_VR"
    const int KNOWN "PS_KNOWN"
    const int LONG "PS_LONG"
    const int TEXT "PS_TEXT"
    const int TIME "PS_TIME"
    const int NUMBER "PS_NUMBER"
    const int NULPAD "PS_NULPAD"
    const int CODE "PS_CODE"

    ctypedef struct Header "ps_header":
        uint32_t tag
        uint32_t length
        uint16_t vr
        uint16_t size

    uint16_t load16 "ps_load16"(const uint8_t* p, int big) noexcept
    uint32_t load32 "ps_load32"(const uint8_t* p, int big) noexcept
    void store16 "ps_store16"(uint8_t* p, uint16_t v, int big) noexcept
    void store32 "ps_store32"(uint8_t* p, uint32_t v, int big) noexcept
    uint32_t load_tag "ps_load_tag"(const uint8_t* p, int big) noexcept
    int vr_kind "ps_vr_kind"(uint16_t vr) noexcept
    int vr_width "ps_vr_width"(uint16_t vr) noexcept
    int read_header "ps_read_header"(const uint8_t* p, size_t room, int syntax, Header* h) noexcept
    int write_header "ps_write_header"(uint8_t* p, uint32_t tag, uint16_t vr, uint32_t length, int syntax) noexcept
    const uint8_t* trim "ps_trim"(const uint8_t* p, size_t* n) noexcept
    int is_plain_ascii "ps_is_plain_ascii"(const uint8_t* p, size_t n) noexcept
