;; Validates UTF-8 by SIMD instructions, 16 octets at a time, or 64 of ASCII, as in "Validating UTF-8 In Less Than One
;; Instruction Per Byte" (Keiser, Lemire; 2020): three tables tell what is wrong with two octets that follow
;; one another, a bit for each kind of error; bit 7 is two continuation octets, which must be found exactly
;; where a first octet of three or four came before them.
;; `deno task wasm` assembles this file to utf8_wasm.ts.
(module
  (memory (export "memory") 1) ;; one page of 64 KiB

  ;; Returns 0 if memory from $position on is UTF-8, up to $end or at most 15 octets past it.
  ;; Behind it there must be at least an octet of ASCII, or something incomplete at the end is not found.
  (func (export "findErrors") (param $position i32) (param $end i32) (result i32)
    (local $input v128) (local $before v128) (local $previous v128) (local $errors v128)
    (loop $block
      (local.set $input (v128.load (local.get $position)))
      (if
        (i8x16.bitmask
          (v128.or
            (v128.or (local.get $before) (local.get $input))
            (v128.or
              (v128.load offset=16 (local.get $position))
              (v128.or
                (v128.load offset=32 (local.get $position))
                (v128.load offset=48 (local.get $position))))))
        (then
          (local.set $previous
            (i8x16.shuffle 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
              (local.get $before) (local.get $input)))
          (local.set $errors
            (v128.or
              (local.get $errors)
              (v128.xor
                (v128.and
                  (v128.and
                    (i8x16.swizzle
                      (v128.const i8x16
                        0x02 0x02 0x02 0x02 0x02 0x02 0x02 0x02 0x80 0x80 0x80 0x80 0x21 0x01 0x15 0x49)
                      (i8x16.shr_u (local.get $previous) (i32.const 4)))
                    (i8x16.swizzle
                      (v128.const i8x16
                        0xe7 0xa3 0x83 0x83 0x8b 0xcb 0xcb 0xcb 0xcb 0xcb 0xcb 0xcb 0xcb 0xdb 0xcb 0xcb)
                      (v128.and (local.get $previous) (i8x16.splat (i32.const 0x0f)))))
                  (i8x16.swizzle
                    (v128.const i8x16
                      0x01 0x01 0x01 0x01 0x01 0x01 0x01 0x01 0xe6 0xae 0xba 0xba 0x01 0x01 0x01 0x01)
                    (i8x16.shr_u (local.get $input) (i32.const 4))))
                ;; Bit 7, two octets behind a first octet from E0 on, and three behind one from F0 on.
                (v128.and
                  (v128.or
                    (i8x16.sub_sat_u
                      (i8x16.shuffle 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29
                        (local.get $before) (local.get $input))
                      (i8x16.splat (i32.const 0x60)))
                    (i8x16.sub_sat_u
                      (i8x16.shuffle 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
                        (local.get $before) (local.get $input))
                      (i8x16.splat (i32.const 0x70))))
                  (i8x16.splat (i32.const 0x80))))))
          (local.set $before (local.get $input))
          (local.set $position (i32.add (local.get $position) (i32.const 16))))
        ;; 64 octets of ASCII, behind ASCII.
        (else (local.set $position (i32.add (local.get $position) (i32.const 64)))))
      (br_if $block (i32.lt_u (local.get $position) (local.get $end))))
    (v128.any_true (local.get $errors))))
